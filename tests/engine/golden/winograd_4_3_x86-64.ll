; ModuleID = "kernel"
target triple = "unknown-unknown-unknown"
target datalayout = ""

define void @kernel(ptr %p1, i64 %p2, i64 %p3) nounwind
{
entry:
  %entry.v0 = getelementptr i64, ptr %p1, i64 0
  %dst = load ptr, ptr %entry.v0, align 8
  %entry.v1 = getelementptr i64, ptr %p1, i64 1
  %src = load ptr, ptr %entry.v1, align 8
  %entry.v2 = getelementptr i64, ptr %p1, i64 2
  %weights = load ptr, ptr %entry.v2, align 8
  %entry.v3 = getelementptr i64, ptr %p1, i64 8
  %ih = load i64, ptr %entry.v3, align 8
  %entry.v4 = getelementptr i64, ptr %p1, i64 9
  %iw = load i64, ptr %entry.v4, align 8
  %entry.v5 = getelementptr i64, ptr %p1, i64 10
  %ic = load i64, ptr %entry.v5, align 8
  %entry.v6 = getelementptr i64, ptr %p1, i64 12
  %oh = load i64, ptr %entry.v6, align 8
  %entry.v7 = getelementptr i64, ptr %p1, i64 13
  %ow = load i64, ptr %entry.v7, align 8
  %entry.v8 = getelementptr i64, ptr %p1, i64 14
  %oc = load i64, ptr %entry.v8, align 8
  %entry.v9 = getelementptr i64, ptr %p1, i64 15
  %dst_pixel = load i64, ptr %entry.v9, align 8
  %entry.v10 = getelementptr i64, ptr %p1, i64 21
  %pad_h = load i64, ptr %entry.v10, align 8
  %entry.v11 = getelementptr i64, ptr %p1, i64 22
  %pad_w = load i64, ptr %entry.v11, align 8
  %entry.v12 = getelementptr i64, ptr %p1, i64 23
  %patches_h = load i64, ptr %entry.v12, align 8
  %entry.v13 = getelementptr i64, ptr %p1, i64 24
  %patches_w = load i64, ptr %entry.v13, align 8
  %entry.v14 = getelementptr i64, ptr %p1, i64 29
  %v_pixel = load i64, ptr %entry.v14, align 8
  %entry.v15 = getelementptr i64, ptr %p1, i64 30
  %v_point = load i64, ptr %entry.v15, align 8
  %entry.v16 = getelementptr i64, ptr %p1, i64 31
  %m_pixel = load i64, ptr %entry.v16, align 8
  %entry.v17 = getelementptr i64, ptr %p1, i64 32
  %m_point = load i64, ptr %entry.v17, align 8
  %entry.v18 = getelementptr i64, ptr %p1, i64 4
  %scratch = load ptr, ptr %entry.v18, align 8
  %entry.v19 = getelementptr i64, ptr %p1, i64 5
  %scratch_stride = load i64, ptr %entry.v19, align 8
  %entry.v20 = mul i64 %p2, %scratch_stride
  %entry.v21 = getelementptr i8, ptr %scratch, i64 %entry.v20
  %entry.v22 = getelementptr i64, ptr %p1, i64 33
  %m_begin = load i64, ptr %entry.v22, align 8
  %entry.v23 = getelementptr float, ptr %entry.v21, i64 %m_begin
  %entry.v24 = getelementptr i64, ptr %p1, i64 34
  %edge_begin = load i64, ptr %entry.v24, align 8
  %entry.v25 = getelementptr float, ptr %entry.v21, i64 %edge_begin
  %entry.v26 = getelementptr i64, ptr %p1, i64 35
  %ahead = load i64, ptr %entry.v26, align 8
  %entry.v27 = getelementptr i64, ptr %p1, i64 3
  %apart = load ptr, ptr %entry.v27, align 8
  %entry.v28 = getelementptr i64, ptr %p1, i64 7
  %id = load i64, ptr %entry.v28, align 8
  %entry.v29 = getelementptr i64, ptr %p1, i64 11
  %od = load i64, ptr %entry.v29, align 8
  %entry.v30 = getelementptr i64, ptr %p1, i64 16
  %slices = load i64, ptr %entry.v30, align 8
  %entry.v31 = getelementptr i64, ptr %p1, i64 20
  %pad_d = load i64, ptr %entry.v31, align 8
  %entry.v32 = getelementptr i64, ptr %p1, i64 17
  %shift_d = load i64, ptr %entry.v32, align 8
  %entry.v33 = getelementptr i64, ptr %p1, i64 18
  %shift_h = load i64, ptr %entry.v33, align 8
  %entry.v34 = getelementptr i64, ptr %p1, i64 19
  %shift_w = load i64, ptr %entry.v34, align 8
  %entry.v35 = mul i64 %slices, %ic
  %entry.v36 = getelementptr i64, ptr %p1, i64 26
  %chunk_blocks = load i64, ptr %entry.v36, align 8
  %entry.v37 = mul i64 %chunk_blocks, 4
  %entry.v38 = alloca [16 x float], align 64
  %entry.v39 = getelementptr i64, ptr %p1, i64 27
  %block = load i64, ptr %entry.v39, align 8
  %entry.v40 = getelementptr i64, ptr %p1, i64 28
  %parts = load i64, ptr %entry.v40, align 8
  %entry.v41 = getelementptr i64, ptr %p1, i64 25
  %chunks = load i64, ptr %entry.v41, align 8
  %entry.v42 = getelementptr i64, ptr %p1, i64 6
  %n = load i64, ptr %entry.v42, align 8
  %entry.v43 = mul i64 %n, %od
  %entry.v44 = mul i64 %entry.v43, %patches_h
  %entry.v45 = mul i64 %entry.v44, %patches_w
  %entry.v46 = add i64 %entry.v45, %block
  %entry.v47 = sub i64 %entry.v46, 1
  %entry.v48 = udiv i64 %entry.v47, %block
  %entry.v49 = mul i64 %entry.v48, %parts
  %entry.v50 = mul i64 %entry.v49, %p2
  %entry.v51 = udiv i64 %entry.v50, %p3
  %entry.v52 = add i64 %p2, 1
  %entry.v53 = mul i64 %entry.v49, %entry.v52
  %entry.v54 = udiv i64 %entry.v53, %p3
  %entry.v55 = icmp slt i64 %entry.v51, %entry.v54
  br i1 %entry.v55, label %unit, label %unit_done
unit:
  %unit.1 = phi i64 [%entry.v51, %entry], [%chunk_done.v0, %chunk_done]
  %unit.v0 = udiv i64 %unit.1, %entry.v48
  %unit.v1 = urem i64 %unit.1, %entry.v48
  %unit.v2 = mul i64 %unit.v1, %block
  %unit.v3 = sub i64 %entry.v45, %unit.v2
  %unit.v4 = icmp slt i64 %unit.v3, %block
  %unit.v5 = select i1 %unit.v4, i64 %unit.v3, i64 %block
  %unit.v6 = icmp slt i64 0, %unit.v5
  br i1 %unit.v6, label %patch, label %patch_done
unit_done:
  ret void
patch:
  %patch.1 = phi i64 [0, %unit], [%slice_done.v8, %slice_done]
  %patch.v0 = add i64 %unit.v2, %patch.1
  br label %slice
patch_done:
  %patch_done.v0 = add i64 %unit.v5, 1
  %patch_done.v1 = sub i64 %patch_done.v0, 1
  %patch_done.v2 = udiv i64 %patch_done.v1, 1
  %patch_done.v3 = icmp slt i64 %unit.v5, %patch_done.v2
  br i1 %patch_done.v3, label %no_patch, label %no_patch_done
slice:
  %slice.1 = phi i64 [0, %patch], [%end_done.v2, %end_done]
  %slice.v0 = phi <4 x float> [splat (float 0.0), %patch], [%end_done.v0, %end_done]
  %slice.v1 = phi <4 x float> [splat (float 0.0), %patch], [%end_done.v1, %end_done]
  %slice.v2 = urem i64 %patch.v0, %patches_w
  %slice.v3 = udiv i64 %patch.v0, %patches_w
  %slice.v4 = udiv i64 %slice.v3, %patches_h
  %slice.v5 = urem i64 %slice.v3, %patches_h
  %slice.v6 = mul i64 %slice.v2, 4
  %slice.v7 = urem i64 %slice.v4, %od
  %slice.v8 = sub i64 %slice.v7, %pad_d
  %slice.v9 = mul i64 %slice.1, %shift_d
  %slice.v10 = add i64 %slice.v8, %slice.v9
  %slice.v11 = sub i64 %slice.v5, %pad_h
  %slice.v12 = mul i64 %slice.1, %shift_h
  %slice.v13 = add i64 %slice.v11, %slice.v12
  %slice.v14 = sub i64 %slice.v6, %pad_w
  %slice.v15 = mul i64 %slice.1, %shift_w
  %slice.v16 = add i64 %slice.v14, %slice.v15
  %slice.v17 = icmp sge i64 %slice.v10, 0
  %slice.v18 = icmp slt i64 %slice.v10, %id
  %slice.v19 = and i1 %slice.v17, %slice.v18
  %slice.v20 = icmp sge i64 %slice.v13, 0
  %slice.v21 = add i64 %slice.v13, 1
  %slice.v22 = icmp sle i64 %slice.v21, %ih
  %slice.v23 = and i1 %slice.v20, %slice.v22
  %slice.v24 = icmp sge i64 %slice.v16, 0
  %slice.v25 = add i64 %slice.v16, 6
  %slice.v26 = icmp sle i64 %slice.v25, %iw
  %slice.v27 = and i1 %slice.v24, %slice.v26
  %slice.v28 = and i1 %slice.v23, %slice.v27
  %slice.v29 = and i1 %slice.v28, %slice.v19
  %slice.v30 = udiv i64 %slice.v4, %od
  %slice.v31 = mul i64 %slice.v30, %id
  %slice.v32 = add i64 %slice.v31, %slice.v10
  %slice.v33 = mul i64 %slice.v32, %ih
  %slice.v34 = add i64 %slice.v33, %slice.v13
  %slice.v35 = xor i1 %slice.v29, -1
  br i1 %slice.v35, label %then, label %after
slice_done:
  %slice_done.v0 = phi <4 x float> [%end_done.v0, %end_done]
  %slice_done.v1 = phi <4 x float> [%end_done.v1, %end_done]
  %slice_done.v2 = add i64 %unit.v2, %patch.1
  %slice_done.v3 = getelementptr i8, ptr %apart, i64 %slice_done.v2
  %slice_done.v4 = fadd <4 x float> %slice_done.v0, %slice_done.v1
  %slice_done.v5 = call reassoc float @llvm.vector.reduce.fadd.v4f32(float 0x8000000000000000, <4 x float> %slice_done.v4)
  %slice_done.v6 = fcmp uge float %slice_done.v5, 0x47eff933c0000000
  %slice_done.v7 = zext i1 %slice_done.v6 to i8
  store i8 %slice_done.v7, ptr %slice_done.v3, align 1
  %slice_done.v8 = add i64 %patch.1, 1
  %slice_done.v9 = icmp slt i64 %slice_done.v8, %unit.v5
  br i1 %slice_done.v9, label %patch, label %patch_done
then:
  %then.v0 = icmp slt i64 0, 1
  br i1 %then.v0, label %row, label %row_done
after:
  %after.v0 = mul i64 %slice.v34, %iw
  %after.v1 = add i64 %after.v0, %slice.v16
  %after.v2 = mul i64 %after.v1, %ic
  %after.v3 = getelementptr float, ptr %src, i64 %after.v2
  %after.v4 = select i1 %slice.v29, ptr %after.v3, ptr %entry.v25
  %after.v5 = mul i64 %iw, %ic
  %after.v6 = mul i64 %ic, 6
  %after.v7 = select i1 %slice.v29, i64 %after.v5, i64 %after.v6
  %after.v8 = mul i64 %patch.1, %v_pixel
  %after.v9 = mul i64 %slice.1, %ic
  %after.v10 = add i64 %after.v8, %after.v9
  %after.v11 = getelementptr float, ptr %entry.v21, i64 %after.v10
  %after.v12 = mul i64 %ic, 4
  %after.v13 = call i64 asm "", "=r,0"(i64 %after.v12)
  %after.v14 = mul i64 %ic, 12
  %after.v15 = call i64 asm "", "=r,0"(i64 %after.v14)
  %after.v16 = mul i64 %ic, 20
  %after.v17 = call i64 asm "", "=r,0"(i64 %after.v16)
  %after.v18 = mul i64 %v_point, 4
  %after.v19 = call i64 asm "", "=r,0"(i64 %after.v18)
  %after.v20 = mul i64 %v_point, 12
  %after.v21 = call i64 asm "", "=r,0"(i64 %after.v20)
  %after.v22 = mul i64 %v_point, 20
  %after.v23 = call i64 asm "", "=r,0"(i64 %after.v22)
  br label %channel
row:
  %row.1 = phi i64 [0, %then], [%after.4.v0, %after.4]
  %row.v0 = mul i64 %row.1, 6
  %row.v1 = mul i64 %row.v0, %ic
  %row.v2 = getelementptr float, ptr %entry.v25, i64 %row.v1
  %row.v3 = add i64 %slice.v34, %row.1
  %row.v4 = mul i64 %row.v3, %iw
  %row.v5 = mul i64 %row.v4, %ic
  %row.v6 = getelementptr float, ptr %src, i64 %row.v5
  %row.v7 = add i64 %slice.v13, %row.1
  %row.v8 = icmp sge i64 %row.v7, 0
  %row.v9 = add i64 %slice.v13, %row.1
  %row.v10 = icmp slt i64 %row.v9, %ih
  %row.v11 = icmp sgt i64 %slice.v16, 0
  %row.v12 = select i1 %row.v11, i64 %slice.v16, i64 0
  %row.v13 = add i64 %slice.v16, 6
  %row.v14 = icmp slt i64 %row.v13, %iw
  %row.v15 = select i1 %row.v14, i64 %row.v13, i64 %iw
  %row.v16 = icmp slt i64 %row.v12, %row.v15
  %row.v17 = and i1 %row.v16, %slice.v19
  %row.v18 = and i1 %row.v17, %row.v8
  %row.v19 = and i1 %row.v18, %row.v10
  %row.v20 = sub i64 %row.v12, %slice.v16
  %row.v21 = select i1 %row.v19, i64 %row.v20, i64 6
  %row.v22 = sub i64 %row.v15, %slice.v16
  %row.v23 = select i1 %row.v19, i64 %row.v22, i64 6
  %row.v24 = mul i64 %row.v21, %ic
  %row.v25 = udiv i64 %row.v24, 4
  %row.v26 = mul i64 %row.v25, 4
  %row.v27 = icmp slt i64 0, %row.v26
  br i1 %row.v27, label %zero, label %zero_done
row_done:
  br label %after
zero:
  %zero.1 = phi i64 [0, %row], [%zero.v1, %zero]
  %zero.v0 = getelementptr float, ptr %row.v2, i64 %zero.1
  store <4 x float> splat (float 0.0), ptr %zero.v0, align 4
  %zero.v1 = add i64 %zero.1, 4
  %zero.v2 = icmp slt i64 %zero.v1, %row.v26
  br i1 %zero.v2, label %zero, label %zero_done
zero_done:
  %zero_done.v0 = icmp sgt i64 %row.v24, %row.v26
  br i1 %zero_done.v0, label %then.1, label %after.1
then.1:
  %then.1.v0 = sub i64 %row.v24, %row.v26
  %then.1.v1 = icmp sgt i64 %then.1.v0, 0
  %then.1.v2 = select i1 %then.1.v1, i64 %then.1.v0, i64 0
  %then.1.v3 = icmp slt i64 %then.1.v2, 4
  %then.1.v4 = select i1 %then.1.v3, i64 %then.1.v2, i64 4
  %then.1.v5 = trunc i64 %then.1.v4 to i32
  %then.1.v6 = insertelement <4 x i32> splat (i32 undef), i32 %then.1.v5, i32 0
  %then.1.v7 = shufflevector <4 x i32> %then.1.v6, <4 x i32> splat (i32 undef), <4 x i32> splat (i32 0)
  %then.1.v8 = icmp ult <4 x i32> <i32 0, i32 1, i32 2, i32 3>, %then.1.v7
  %then.1.v9 = getelementptr float, ptr %row.v2, i64 %row.v26
  call void @llvm.masked.store.v4f32.p0(<4 x float> splat (float 0.0), ptr %then.1.v9, i32 4, <4 x i1> %then.1.v8)
  br label %after.1
after.1:
  %after.1.v0 = icmp eq i64 %ic, %ic
  br i1 %after.1.v0, label %after.1.if, label %after.1.else
after.1.if:
  %after.1.if.v0 = mul i64 %row.v21, %ic
  %after.1.if.v1 = getelementptr float, ptr %row.v2, i64 %after.1.if.v0
  %after.1.if.v2 = add i64 %slice.v16, %row.v21
  %after.1.if.v3 = mul i64 %after.1.if.v2, %ic
  %after.1.if.v4 = getelementptr float, ptr %row.v6, i64 %after.1.if.v3
  %after.1.if.v5 = sub i64 %row.v23, %row.v21
  %after.1.if.v6 = mul i64 %after.1.if.v5, %ic
  %after.1.if.v7 = udiv i64 %after.1.if.v6, 4
  %after.1.if.v8 = mul i64 %after.1.if.v7, 4
  %after.1.if.v9 = icmp slt i64 0, %after.1.if.v8
  br i1 %after.1.if.v9, label %copy, label %copy_done
after.1.else:
  %after.1.else.v0 = icmp slt i64 %row.v21, %row.v23
  br i1 %after.1.else.v0, label %pixel, label %pixel_done
after.1.endif:
  %after.1.endif.v0 = mul i64 %row.v23, %ic
  %after.1.endif.v1 = getelementptr float, ptr %row.v2, i64 %after.1.endif.v0
  %after.1.endif.v2 = sub i64 6, %row.v23
  %after.1.endif.v3 = mul i64 %after.1.endif.v2, %ic
  %after.1.endif.v4 = udiv i64 %after.1.endif.v3, 4
  %after.1.endif.v5 = mul i64 %after.1.endif.v4, 4
  %after.1.endif.v6 = icmp slt i64 0, %after.1.endif.v5
  br i1 %after.1.endif.v6, label %zero.2, label %zero_done.1
copy:
  %copy.1 = phi i64 [0, %after.1.if], [%copy.v3, %copy]
  %copy.v0 = getelementptr float, ptr %after.1.if.v4, i64 %copy.1
  %copy.v1 = load <4 x float>, ptr %copy.v0, align 4
  %copy.v2 = getelementptr float, ptr %after.1.if.v1, i64 %copy.1
  store <4 x float> %copy.v1, ptr %copy.v2, align 4
  %copy.v3 = add i64 %copy.1, 4
  %copy.v4 = icmp slt i64 %copy.v3, %after.1.if.v8
  br i1 %copy.v4, label %copy, label %copy_done
copy_done:
  %copy_done.v0 = icmp sgt i64 %after.1.if.v6, %after.1.if.v8
  br i1 %copy_done.v0, label %then.2, label %after.2
then.2:
  %then.2.v0 = sub i64 %after.1.if.v6, %after.1.if.v8
  %then.2.v1 = icmp sgt i64 %then.2.v0, 0
  %then.2.v2 = select i1 %then.2.v1, i64 %then.2.v0, i64 0
  %then.2.v3 = icmp slt i64 %then.2.v2, 4
  %then.2.v4 = select i1 %then.2.v3, i64 %then.2.v2, i64 4
  %then.2.v5 = trunc i64 %then.2.v4 to i32
  %then.2.v6 = insertelement <4 x i32> splat (i32 undef), i32 %then.2.v5, i32 0
  %then.2.v7 = shufflevector <4 x i32> %then.2.v6, <4 x i32> splat (i32 undef), <4 x i32> splat (i32 0)
  %then.2.v8 = icmp ult <4 x i32> <i32 0, i32 1, i32 2, i32 3>, %then.2.v7
  %then.2.v9 = getelementptr float, ptr %after.1.if.v4, i64 %after.1.if.v8
  %then.2.v10 = call <4 x float> @llvm.masked.load.v4f32.p0(ptr %then.2.v9, i32 4, <4 x i1> %then.2.v8, <4 x float> splat (float 0.0))
  %then.2.v11 = getelementptr float, ptr %after.1.if.v1, i64 %after.1.if.v8
  call void @llvm.masked.store.v4f32.p0(<4 x float> %then.2.v10, ptr %then.2.v11, i32 4, <4 x i1> %then.2.v8)
  br label %after.2
after.2:
  br label %after.1.endif
pixel:
  %pixel.1 = phi i64 [%row.v21, %after.1.else], [%after.3.v0, %after.3]
  %pixel.v0 = mul i64 %pixel.1, %ic
  %pixel.v1 = getelementptr float, ptr %row.v2, i64 %pixel.v0
  %pixel.v2 = add i64 %slice.v16, %pixel.1
  %pixel.v3 = mul i64 %pixel.v2, %ic
  %pixel.v4 = getelementptr float, ptr %row.v6, i64 %pixel.v3
  %pixel.v5 = udiv i64 %ic, 4
  %pixel.v6 = mul i64 %pixel.v5, 4
  %pixel.v7 = icmp slt i64 0, %pixel.v6
  br i1 %pixel.v7, label %copy.2, label %copy_done.1
pixel_done:
  br label %after.1.endif
copy.2:
  %copy.3 = phi i64 [0, %pixel], [%copy.2.v3, %copy.2]
  %copy.2.v0 = getelementptr float, ptr %pixel.v4, i64 %copy.3
  %copy.2.v1 = load <4 x float>, ptr %copy.2.v0, align 4
  %copy.2.v2 = getelementptr float, ptr %pixel.v1, i64 %copy.3
  store <4 x float> %copy.2.v1, ptr %copy.2.v2, align 4
  %copy.2.v3 = add i64 %copy.3, 4
  %copy.2.v4 = icmp slt i64 %copy.2.v3, %pixel.v6
  br i1 %copy.2.v4, label %copy.2, label %copy_done.1
copy_done.1:
  %copy_done.1.v0 = icmp sgt i64 %ic, %pixel.v6
  br i1 %copy_done.1.v0, label %then.3, label %after.3
then.3:
  %then.3.v0 = sub i64 %ic, %pixel.v6
  %then.3.v1 = icmp sgt i64 %then.3.v0, 0
  %then.3.v2 = select i1 %then.3.v1, i64 %then.3.v0, i64 0
  %then.3.v3 = icmp slt i64 %then.3.v2, 4
  %then.3.v4 = select i1 %then.3.v3, i64 %then.3.v2, i64 4
  %then.3.v5 = trunc i64 %then.3.v4 to i32
  %then.3.v6 = insertelement <4 x i32> splat (i32 undef), i32 %then.3.v5, i32 0
  %then.3.v7 = shufflevector <4 x i32> %then.3.v6, <4 x i32> splat (i32 undef), <4 x i32> splat (i32 0)
  %then.3.v8 = icmp ult <4 x i32> <i32 0, i32 1, i32 2, i32 3>, %then.3.v7
  %then.3.v9 = getelementptr float, ptr %pixel.v4, i64 %pixel.v6
  %then.3.v10 = call <4 x float> @llvm.masked.load.v4f32.p0(ptr %then.3.v9, i32 4, <4 x i1> %then.3.v8, <4 x float> splat (float 0.0))
  %then.3.v11 = getelementptr float, ptr %pixel.v1, i64 %pixel.v6
  call void @llvm.masked.store.v4f32.p0(<4 x float> %then.3.v10, ptr %then.3.v11, i32 4, <4 x i1> %then.3.v8)
  br label %after.3
after.3:
  %after.3.v0 = add i64 %pixel.1, 1
  %after.3.v1 = icmp slt i64 %after.3.v0, %row.v23
  br i1 %after.3.v1, label %pixel, label %pixel_done
zero.2:
  %zero.3 = phi i64 [0, %after.1.endif], [%zero.2.v1, %zero.2]
  %zero.2.v0 = getelementptr float, ptr %after.1.endif.v1, i64 %zero.3
  store <4 x float> splat (float 0.0), ptr %zero.2.v0, align 4
  %zero.2.v1 = add i64 %zero.3, 4
  %zero.2.v2 = icmp slt i64 %zero.2.v1, %after.1.endif.v5
  br i1 %zero.2.v2, label %zero.2, label %zero_done.1
zero_done.1:
  %zero_done.1.v0 = icmp sgt i64 %after.1.endif.v3, %after.1.endif.v5
  br i1 %zero_done.1.v0, label %then.4, label %after.4
then.4:
  %then.4.v0 = sub i64 %after.1.endif.v3, %after.1.endif.v5
  %then.4.v1 = icmp sgt i64 %then.4.v0, 0
  %then.4.v2 = select i1 %then.4.v1, i64 %then.4.v0, i64 0
  %then.4.v3 = icmp slt i64 %then.4.v2, 4
  %then.4.v4 = select i1 %then.4.v3, i64 %then.4.v2, i64 4
  %then.4.v5 = trunc i64 %then.4.v4 to i32
  %then.4.v6 = insertelement <4 x i32> splat (i32 undef), i32 %then.4.v5, i32 0
  %then.4.v7 = shufflevector <4 x i32> %then.4.v6, <4 x i32> splat (i32 undef), <4 x i32> splat (i32 0)
  %then.4.v8 = icmp ult <4 x i32> <i32 0, i32 1, i32 2, i32 3>, %then.4.v7
  %then.4.v9 = getelementptr float, ptr %after.1.endif.v1, i64 %after.1.endif.v5
  call void @llvm.masked.store.v4f32.p0(<4 x float> splat (float 0.0), ptr %then.4.v9, i32 4, <4 x i1> %then.4.v8)
  br label %after.4
after.4:
  %after.4.v0 = add i64 %row.1, 1
  %after.4.v1 = icmp slt i64 %after.4.v0, 1
  br i1 %after.4.v1, label %row, label %row_done
channel:
  %channel.1 = phi i64 [0, %after], [%channel.v47, %channel]
  %channel.v0 = sub i64 %ic, 4
  %channel.v1 = icmp slt i64 %channel.1, %channel.v0
  %channel.v2 = select i1 %channel.v1, i64 %channel.1, i64 %channel.v0
  %channel.v3 = mul i64 %after.v7, 0
  %channel.v4 = add i64 %channel.v3, %channel.v2
  %channel.v5 = getelementptr float, ptr %after.v4, i64 %channel.v4
  %channel.v6 = load <4 x float>, ptr %channel.v5, align 4
  %channel.v7 = getelementptr [1 x i8], ptr %channel.v5, i64 %after.v13
  %channel.v8 = load <4 x float>, ptr %channel.v7, align 4
  %channel.v9 = getelementptr [2 x i8], ptr %channel.v5, i64 %after.v13
  %channel.v10 = load <4 x float>, ptr %channel.v9, align 4
  %channel.v11 = getelementptr [1 x i8], ptr %channel.v5, i64 %after.v15
  %channel.v12 = load <4 x float>, ptr %channel.v11, align 4
  %channel.v13 = getelementptr [4 x i8], ptr %channel.v5, i64 %after.v13
  %channel.v14 = load <4 x float>, ptr %channel.v13, align 4
  %channel.v15 = getelementptr [1 x i8], ptr %channel.v5, i64 %after.v17
  %channel.v16 = load <4 x float>, ptr %channel.v15, align 4
  %channel.v17 = fmul <4 x float> %channel.v6, splat (float 0x3fec200000000000)
  %channel.v18 = fadd <4 x float> %channel.v17, %channel.v14
  %channel.v19 = fmul <4 x float> %channel.v10, splat (float 0xc005200000000000)
  %channel.v20 = fadd <4 x float> %channel.v19, %channel.v18
  %channel.v21 = fmul <4 x float> %channel.v10, splat (float 0xc002000000000000)
  %channel.v22 = fadd <4 x float> %channel.v21, %channel.v14
  %channel.v23 = fmul <4 x float> %channel.v8, splat (float 0xc002000000000000)
  %channel.v24 = fadd <4 x float> %channel.v23, %channel.v12
  %channel.v25 = fmul <4 x float> %channel.v24, splat (float 0x3fe4000000000000)
  %channel.v26 = fadd <4 x float> %channel.v25, %channel.v22
  %channel.v27 = fmul <4 x float> %channel.v24, splat (float 0xbfe4000000000000)
  %channel.v28 = fadd <4 x float> %channel.v27, %channel.v22
  %channel.v29 = fmul <4 x float> %channel.v10, splat (float 0xbfd9000000000000)
  %channel.v30 = fadd <4 x float> %channel.v29, %channel.v14
  %channel.v31 = fmul <4 x float> %channel.v8, splat (float 0xbfd9000000000000)
  %channel.v32 = fadd <4 x float> %channel.v31, %channel.v12
  %channel.v33 = fmul <4 x float> %channel.v32, splat (float 0x3ff8000000000000)
  %channel.v34 = fadd <4 x float> %channel.v33, %channel.v30
  %channel.v35 = fmul <4 x float> %channel.v32, splat (float 0xbff8000000000000)
  %channel.v36 = fadd <4 x float> %channel.v35, %channel.v30
  %channel.v37 = fmul <4 x float> %channel.v8, splat (float 0x3fec200000000000)
  %channel.v38 = fadd <4 x float> %channel.v37, %channel.v16
  %channel.v39 = fmul <4 x float> %channel.v12, splat (float 0xc005200000000000)
  %channel.v40 = fadd <4 x float> %channel.v39, %channel.v38
  %channel.v41 = getelementptr float, ptr %after.v11, i64 %channel.v2
  store <4 x float> %channel.v20, ptr %channel.v41, align 4
  %channel.v42 = getelementptr [1 x i8], ptr %channel.v41, i64 %after.v19
  store <4 x float> %channel.v26, ptr %channel.v42, align 4
  %channel.v43 = getelementptr [2 x i8], ptr %channel.v41, i64 %after.v19
  store <4 x float> %channel.v28, ptr %channel.v43, align 4
  %channel.v44 = getelementptr [1 x i8], ptr %channel.v41, i64 %after.v21
  store <4 x float> %channel.v34, ptr %channel.v44, align 4
  %channel.v45 = getelementptr [4 x i8], ptr %channel.v41, i64 %after.v19
  store <4 x float> %channel.v36, ptr %channel.v45, align 4
  %channel.v46 = getelementptr [1 x i8], ptr %channel.v41, i64 %after.v23
  store <4 x float> %channel.v40, ptr %channel.v46, align 4
  %channel.v47 = add i64 %channel.1, 4
  %channel.v48 = icmp slt i64 %channel.v47, %ic
  br i1 %channel.v48, label %channel, label %channel_done
channel_done:
  br label %end
end:
  %end.1 = phi i64 [0, %channel_done], [%end.v16, %end]
  %end.v0 = phi <4 x float> [%slice.v0, %channel_done], [%end.v13, %end]
  %end.v1 = phi <4 x float> [%slice.v1, %channel_done], [%end.v15, %end]
  %end.v2 = sub i64 %ic, 4
  %end.v3 = icmp slt i64 %end.1, %end.v2
  %end.v4 = select i1 %end.v3, i64 %end.1, i64 %end.v2
  %end.v5 = getelementptr float, ptr %after.v11, i64 %end.v4
  %end.v6 = mul i64 %v_point, 0
  %end.v7 = getelementptr float, ptr %end.v5, i64 %end.v6
  %end.v8 = load <4 x float>, ptr %end.v7, align 4
  %end.v9 = mul i64 %v_point, 5
  %end.v10 = getelementptr float, ptr %end.v5, i64 %end.v9
  %end.v11 = load <4 x float>, ptr %end.v10, align 4
  %end.v12 = fmul <4 x float> %end.v8, %end.v8
  %end.v13 = fadd <4 x float> %end.v12, %end.v0
  %end.v14 = fmul <4 x float> %end.v11, %end.v11
  %end.v15 = fadd <4 x float> %end.v14, %end.v1
  %end.v16 = add i64 %end.1, 4
  %end.v17 = icmp slt i64 %end.v16, %ic
  br i1 %end.v17, label %end, label %end_done
end_done:
  %end_done.v0 = phi <4 x float> [%end.v13, %end]
  %end_done.v1 = phi <4 x float> [%end.v15, %end]
  %end_done.v2 = add i64 %slice.1, 1
  %end_done.v3 = icmp slt i64 %end_done.v2, %slices
  br i1 %end_done.v3, label %slice, label %slice_done
no_patch:
  %no_patch.1 = phi i64 [%unit.v5, %patch_done], [%point_done.v0, %point_done]
  %no_patch.v0 = icmp slt i64 0, 6
  br i1 %no_patch.v0, label %point, label %point_done
no_patch_done:
  %no_patch_done.v0 = add i64 %unit.v0, 1
  %no_patch_done.v1 = mul i64 %chunks, %no_patch_done.v0
  %no_patch_done.v2 = udiv i64 %no_patch_done.v1, %parts
  %no_patch_done.v3 = mul i64 %chunks, %unit.v0
  %no_patch_done.v4 = udiv i64 %no_patch_done.v3, %parts
  %no_patch_done.v5 = icmp slt i64 %no_patch_done.v4, %no_patch_done.v2
  br i1 %no_patch_done.v5, label %chunk, label %chunk_done
point:
  %point.1 = phi i64 [0, %no_patch], [%after.5.v0, %after.5]
  %point.v0 = mul i64 %point.1, %v_point
  %point.v1 = mul i64 %no_patch.1, %v_pixel
  %point.v2 = add i64 %point.v0, %point.v1
  %point.v3 = getelementptr float, ptr %entry.v21, i64 %point.v2
  %point.v4 = udiv i64 %entry.v35, 4
  %point.v5 = mul i64 %point.v4, 4
  %point.v6 = icmp slt i64 0, %point.v5
  br i1 %point.v6, label %zero.4, label %zero_done.2
point_done:
  %point_done.v0 = add i64 %no_patch.1, 1
  %point_done.v1 = icmp slt i64 %point_done.v0, %patch_done.v2
  br i1 %point_done.v1, label %no_patch, label %no_patch_done
zero.4:
  %zero.5 = phi i64 [0, %point], [%zero.4.v1, %zero.4]
  %zero.4.v0 = getelementptr float, ptr %point.v3, i64 %zero.5
  store <4 x float> splat (float 0.0), ptr %zero.4.v0, align 4
  %zero.4.v1 = add i64 %zero.5, 4
  %zero.4.v2 = icmp slt i64 %zero.4.v1, %point.v5
  br i1 %zero.4.v2, label %zero.4, label %zero_done.2
zero_done.2:
  %zero_done.2.v0 = icmp sgt i64 %entry.v35, %point.v5
  br i1 %zero_done.2.v0, label %then.5, label %after.5
then.5:
  %then.5.v0 = sub i64 %entry.v35, %point.v5
  %then.5.v1 = icmp sgt i64 %then.5.v0, 0
  %then.5.v2 = select i1 %then.5.v1, i64 %then.5.v0, i64 0
  %then.5.v3 = icmp slt i64 %then.5.v2, 4
  %then.5.v4 = select i1 %then.5.v3, i64 %then.5.v2, i64 4
  %then.5.v5 = trunc i64 %then.5.v4 to i32
  %then.5.v6 = insertelement <4 x i32> splat (i32 undef), i32 %then.5.v5, i32 0
  %then.5.v7 = shufflevector <4 x i32> %then.5.v6, <4 x i32> splat (i32 undef), <4 x i32> splat (i32 0)
  %then.5.v8 = icmp ult <4 x i32> <i32 0, i32 1, i32 2, i32 3>, %then.5.v7
  %then.5.v9 = getelementptr float, ptr %point.v3, i64 %point.v5
  call void @llvm.masked.store.v4f32.p0(<4 x float> splat (float 0.0), ptr %then.5.v9, i32 4, <4 x i1> %then.5.v8)
  br label %after.5
after.5:
  %after.5.v0 = add i64 %point.1, 1
  %after.5.v1 = icmp slt i64 %after.5.v0, 6
  br i1 %after.5.v1, label %point, label %point_done
chunk:
  %chunk.1 = phi i64 [%no_patch_done.v4, %no_patch_done], [%patch_done.1.v0, %patch_done.1]
  %chunk.v0 = mul i64 %entry.v37, %entry.v35
  %chunk.v1 = mul i64 %chunk.v0, 6
  %chunk.v2 = add i64 %unit.1, 1
  %chunk.v3 = icmp eq i64 %chunk.v2, %entry.v54
  %chunk.v4 = getelementptr i64, ptr %p1, i64 36
  %next_weights = load i64, ptr %chunk.v4, align 8
  %chunk.v5 = icmp eq i64 %next_weights, 0
  %chunk.v6 = getelementptr i64, ptr %p1, i64 36
  %next_weights.1 = load ptr, ptr %chunk.v6, align 8
  %chunk.v7 = select i1 %chunk.v5, ptr %weights, ptr %next_weights.1
  %chunk.v8 = select i1 %chunk.v3, ptr %chunk.v7, ptr %weights
  %chunk.v9 = mul i64 %chunk.1, %chunk.v1
  %chunk.v10 = getelementptr float, ptr %weights, i64 %chunk.v9
  %chunk.v11 = add i64 %chunk.1, 1
  %chunk.v12 = icmp slt i64 %chunk.v11, %chunks
  %chunk.v13 = getelementptr float, ptr %chunk.v10, i64 %chunk.v1
  %chunk.v14 = select i1 %chunk.v12, ptr %chunk.v13, ptr %chunk.v8
  %chunk.v15 = mul i64 %chunk_blocks, %entry.v35
  %chunk.v16 = mul i64 %chunk.v15, 4
  %chunk.v17 = icmp slt i64 0, 6
  br i1 %chunk.v17, label %point.2, label %point_done.1
chunk_done:
  %chunk_done.v0 = add i64 %unit.1, 1
  %chunk_done.v1 = icmp slt i64 %chunk_done.v0, %entry.v54
  br i1 %chunk_done.v1, label %unit, label %unit_done
point.2:
  %point.3 = phi i64 [0, %chunk], [%tiles_done.v1, %tiles_done]
  %point.2.v0 = mul i64 %point.3, %v_point
  %point.2.v1 = getelementptr float, ptr %entry.v21, i64 %point.2.v0
  %point.2.v2 = mul i64 %point.3, %m_point
  %point.2.v3 = getelementptr float, ptr %entry.v23, i64 %point.2.v2
  %point.2.v4 = mul i64 %point.3, %chunk.v16
  %point.2.v5 = getelementptr float, ptr %chunk.v10, i64 %point.2.v4
  %point.2.v6 = add i64 %point.3, 1
  %point.2.v7 = icmp eq i64 %point.2.v6, 6
  %point.2.v8 = getelementptr float, ptr %point.2.v5, i64 %chunk.v16
  %point.2.v9 = select i1 %point.2.v7, ptr %chunk.v14, ptr %point.2.v8
  %point.2.v10 = icmp slt i64 0, %unit.v5
  br i1 %point.2.v10, label %tiles, label %tiles_done
point_done.1:
  %point_done.1.v0 = mul i64 %chunk.1, %entry.v37
  %point_done.1.v1 = udiv i64 %oh, 1
  %point_done.1.v2 = udiv i64 %ow, 1
  %point_done.1.v3 = sub i64 %oc, %point_done.1.v0
  %point_done.1.v4 = icmp slt i64 %point_done.1.v3, %entry.v37
  %point_done.1.v5 = select i1 %point_done.1.v4, i64 %point_done.1.v3, i64 %entry.v37
  %point_done.1.v6 = mul i64 %m_point, 4
  %point_done.1.v7 = call i64 asm "", "=r,0"(i64 %point_done.1.v6)
  %point_done.1.v8 = mul i64 %m_point, 12
  %point_done.1.v9 = call i64 asm "", "=r,0"(i64 %point_done.1.v8)
  %point_done.1.v10 = mul i64 %m_point, 20
  %point_done.1.v11 = call i64 asm "", "=r,0"(i64 %point_done.1.v10)
  %point_done.1.v12 = icmp slt i64 0, %unit.v5
  br i1 %point_done.1.v12, label %patch.2, label %patch_done.1
tiles:
  %tiles.1 = phi i64 [0, %point.2], [%block_done.v3, %block_done]
  %tiles.v0 = phi ptr [%point.2.v9, %point.2], [%block_done.v0, %block_done]
  %tiles.v1 = mul i64 %tiles.1, %v_pixel
  %tiles.v2 = getelementptr float, ptr %point.2.v1, i64 %tiles.v1
  %tiles.v3 = mul i64 %tiles.1, %m_pixel
  %tiles.v4 = getelementptr float, ptr %point.2.v3, i64 %tiles.v3
  br label %block.1
tiles_done:
  %tiles_done.v0 = phi ptr [%point.2.v9, %point.2], [%block_done.v0, %block_done]
  %tiles_done.v1 = add i64 %point.3, 1
  %tiles_done.v2 = icmp slt i64 %tiles_done.v1, 6
  br i1 %tiles_done.v2, label %point.2, label %point_done.1
block.1:
  %block.2 = phi i64 [0, %tiles], [%depth_done.v8, %depth_done]
  %block.1.v0 = phi ptr [%tiles.v0, %tiles], [%depth_done.v3, %depth_done]
  %block.1.v1 = phi ptr [%point.2.v5, %tiles], [%depth_done.v5, %depth_done]
  %block.1.v2 = phi ptr [%tiles.v4, %tiles], [%depth_done.v6, %depth_done]
  %block.1.v3 = icmp slt i64 0, %entry.v35
  br i1 %block.1.v3, label %depth, label %depth_done
block_done:
  %block_done.v0 = phi ptr [%depth_done.v3, %depth_done]
  %block_done.v1 = phi ptr [%depth_done.v5, %depth_done]
  %block_done.v2 = phi ptr [%depth_done.v6, %depth_done]
  %block_done.v3 = add i64 %tiles.1, 1
  %block_done.v4 = icmp slt i64 %block_done.v3, %unit.v5
  br i1 %block_done.v4, label %tiles, label %tiles_done
depth:
  %depth.1 = phi i64 [0, %block.1], [%depth.v15, %depth]
  %depth.v0 = phi <4 x float> [splat (float 0.0), %block.1], [%depth.v11, %depth]
  %depth.v1 = phi ptr [%tiles.v2, %block.1], [%depth.v13, %depth]
  %depth.v2 = phi ptr [%block.1.v1, %block.1], [%depth.v14, %depth]
  %depth.v3 = phi ptr [%block.1.v0, %block.1], [%depth.v12, %depth]
  %depth.v4 = call ptr asm "", "=r,0"(ptr %depth.v1)
  %depth.v5 = load <4 x float>, ptr %depth.v2, align 4
  %depth.v6 = getelementptr float, ptr %depth.v2, i64 16
  call void @llvm.prefetch.p0(ptr %depth.v6, i32 0, i32 3, i32 1)
  %depth.v7 = load float, ptr %depth.v4, align 4
  %depth.v8 = insertelement <4 x float> splat (float undef), float %depth.v7, i32 0
  %depth.v9 = shufflevector <4 x float> %depth.v8, <4 x float> splat (float undef), <4 x i32> splat (i32 0)
  %depth.v10 = fmul <4 x float> %depth.v9, %depth.v5
  %depth.v11 = fadd <4 x float> %depth.v10, %depth.v0
  call void @llvm.prefetch.p0(ptr %depth.v3, i32 0, i32 2, i32 1)
  %depth.v12 = getelementptr float, ptr %depth.v3, i64 %ahead
  %depth.v13 = getelementptr float, ptr %depth.v4, i64 1
  %depth.v14 = getelementptr float, ptr %depth.v2, i64 4
  %depth.v15 = add i64 %depth.1, 1
  %depth.v16 = icmp slt i64 %depth.v15, %entry.v35
  br i1 %depth.v16, label %depth, label %depth_done
depth_done:
  %depth_done.v0 = phi <4 x float> [splat (float 0.0), %block.1], [%depth.v11, %depth]
  %depth_done.v1 = phi ptr [%tiles.v2, %block.1], [%depth.v13, %depth]
  %depth_done.v2 = phi ptr [%block.1.v1, %block.1], [%depth.v14, %depth]
  %depth_done.v3 = phi ptr [%block.1.v0, %block.1], [%depth.v12, %depth]
  %depth_done.v4 = mul i64 %entry.v35, 4
  %depth_done.v5 = getelementptr float, ptr %block.1.v1, i64 %depth_done.v4
  %depth_done.v6 = getelementptr float, ptr %block.1.v2, i64 4
  store <4 x float> %depth_done.v0, ptr %block.1.v2, align 4
  %depth_done.v7 = getelementptr float, ptr %block.1.v2, i64 %m_pixel
  %depth_done.v8 = add i64 %block.2, 1
  %depth_done.v9 = icmp slt i64 %depth_done.v8, %chunk_blocks
  br i1 %depth_done.v9, label %block.1, label %block_done
patch.2:
  %patch.3 = phi i64 [0, %point_done.1], [%channel_done.1.v0, %channel_done.1]
  %patch.2.v0 = add i64 %unit.v2, %patch.3
  %patch.2.v1 = urem i64 %patch.2.v0, %patches_w
  %patch.2.v2 = udiv i64 %patch.2.v0, %patches_w
  %patch.2.v3 = udiv i64 %patch.2.v2, %patches_h
  %patch.2.v4 = urem i64 %patch.2.v2, %patches_h
  %patch.2.v5 = mul i64 %patch.2.v1, 4
  %patch.2.v6 = mul i64 %patch.2.v3, %oh
  %patch.2.v7 = add i64 %patch.2.v6, %patch.2.v4
  %patch.2.v8 = mul i64 %patch.2.v7, %ow
  %patch.2.v9 = add i64 %patch.2.v8, %patch.2.v5
  %patch.2.v10 = mul i64 %patch.2.v9, %dst_pixel
  %patch.2.v11 = mul i64 %patch.2.v3, %point_done.1.v1
  %patch.2.v12 = udiv i64 %patch.2.v4, 1
  %patch.2.v13 = add i64 %patch.2.v11, %patch.2.v12
  %patch.2.v14 = mul i64 %patch.2.v13, %point_done.1.v2
  %patch.2.v15 = udiv i64 %patch.2.v5, 1
  %patch.2.v16 = add i64 %patch.2.v14, %patch.2.v15
  %patch.2.v17 = mul i64 %patch.2.v16, %dst_pixel
  %patch.2.v18 = udiv i64 %patch.2.v4, 1
  %patch.2.v19 = sub i64 %point_done.1.v1, %patch.2.v18
  %patch.2.v20 = icmp slt i64 %patch.2.v19, 1
  %patch.2.v21 = select i1 %patch.2.v20, i64 %patch.2.v19, i64 1
  %patch.2.v22 = udiv i64 %patch.2.v5, 1
  %patch.2.v23 = sub i64 %point_done.1.v2, %patch.2.v22
  %patch.2.v24 = icmp slt i64 %patch.2.v23, 4
  %patch.2.v25 = select i1 %patch.2.v24, i64 %patch.2.v23, i64 4
  %patch.2.v26 = icmp eq i64 %patch.2.v21, 1
  %patch.2.v27 = icmp eq i64 %patch.2.v25, 4
  %patch.2.v28 = and i1 %patch.2.v26, %patch.2.v27
  %patch.2.v29 = mul i64 %patch.3, %m_pixel
  %patch.2.v30 = getelementptr float, ptr %entry.v23, i64 %patch.2.v29
  %patch.2.v31 = icmp slt i64 0, %point_done.1.v5
  br i1 %patch.2.v31, label %channel.2, label %channel_done.1
patch_done.1:
  %patch_done.1.v0 = add i64 %chunk.1, 1
  %patch_done.1.v1 = icmp slt i64 %patch_done.1.v0, %no_patch_done.v2
  br i1 %patch_done.1.v1, label %chunk, label %chunk_done
channel.2:
  %channel.3 = phi i64 [0, %patch.2], [%channel.2.endif.v0, %channel.2.endif]
  %channel.2.v0 = sub i64 %point_done.1.v5, 4
  %channel.2.v1 = icmp slt i64 %channel.3, %channel.2.v0
  %channel.2.v2 = select i1 %channel.2.v1, i64 %channel.3, i64 %channel.2.v0
  %channel.2.v3 = getelementptr float, ptr %patch.2.v30, i64 %channel.2.v2
  %channel.2.v4 = load <4 x float>, ptr %channel.2.v3, align 4
  %channel.2.v5 = getelementptr [1 x i8], ptr %channel.2.v3, i64 %point_done.1.v7
  %channel.2.v6 = load <4 x float>, ptr %channel.2.v5, align 4
  %channel.2.v7 = getelementptr [2 x i8], ptr %channel.2.v3, i64 %point_done.1.v7
  %channel.2.v8 = load <4 x float>, ptr %channel.2.v7, align 4
  %channel.2.v9 = getelementptr [1 x i8], ptr %channel.2.v3, i64 %point_done.1.v9
  %channel.2.v10 = load <4 x float>, ptr %channel.2.v9, align 4
  %channel.2.v11 = getelementptr [4 x i8], ptr %channel.2.v3, i64 %point_done.1.v7
  %channel.2.v12 = load <4 x float>, ptr %channel.2.v11, align 4
  %channel.2.v13 = getelementptr [1 x i8], ptr %channel.2.v3, i64 %point_done.1.v11
  %channel.2.v14 = load <4 x float>, ptr %channel.2.v13, align 4
  %channel.2.v15 = fadd <4 x float> %channel.2.v6, %channel.2.v8
  %channel.2.v16 = fadd <4 x float> %channel.2.v10, %channel.2.v12
  %channel.2.v17 = fsub <4 x float> %channel.2.v6, %channel.2.v8
  %channel.2.v18 = fsub <4 x float> %channel.2.v10, %channel.2.v12
  %channel.2.v19 = fadd <4 x float> %channel.2.v4, %channel.2.v15
  %channel.2.v20 = fadd <4 x float> %channel.2.v19, %channel.2.v16
  %channel.2.v21 = fmul <4 x float> %channel.2.v17, splat (float 0x3fe4000000000000)
  %channel.2.v22 = fmul <4 x float> %channel.2.v18, splat (float 0x3ff8000000000000)
  %channel.2.v23 = fadd <4 x float> %channel.2.v22, %channel.2.v21
  %channel.2.v24 = fmul <4 x float> %channel.2.v15, splat (float 0x3fd9000000000000)
  %channel.2.v25 = fmul <4 x float> %channel.2.v16, splat (float 0x4002000000000000)
  %channel.2.v26 = fadd <4 x float> %channel.2.v25, %channel.2.v24
  %channel.2.v27 = fmul <4 x float> %channel.2.v17, splat (float 0x3fcf400000000000)
  %channel.2.v28 = fadd <4 x float> %channel.2.v27, %channel.2.v14
  %channel.2.v29 = fmul <4 x float> %channel.2.v18, splat (float 0x400b000000000000)
  %channel.2.v30 = fadd <4 x float> %channel.2.v29, %channel.2.v28
  %channel.2.v31 = add i64 %point_done.1.v0, %channel.2.v2
  br i1 %patch.2.v28, label %channel.2.if, label %channel.2.else
channel_done.1:
  %channel_done.1.v0 = add i64 %patch.3, 1
  %channel_done.1.v1 = icmp slt i64 %channel_done.1.v0, %unit.v5
  br i1 %channel_done.1.v1, label %patch.2, label %patch_done.1
channel.2.if:
  %channel.2.if.v0 = mul i64 %ow, 0
  %channel.2.if.v1 = mul i64 %channel.2.if.v0, %dst_pixel
  %channel.2.if.v2 = add i64 %patch.2.v10, %channel.2.if.v1
  %channel.2.if.v3 = mul i64 %point_done.1.v2, 0
  %channel.2.if.v4 = mul i64 %channel.2.if.v3, %dst_pixel
  %channel.2.if.v5 = add i64 %patch.2.v17, %channel.2.if.v4
  %channel.2.if.v6 = add i64 %channel.2.if.v5, %channel.2.v31
  %channel.2.if.v7 = getelementptr float, ptr %dst, i64 %channel.2.if.v6
  store <4 x float> %channel.2.v20, ptr %channel.2.if.v7, align 4
  %channel.2.if.v8 = mul i64 %ow, 0
  %channel.2.if.v9 = add i64 %channel.2.if.v8, 1
  %channel.2.if.v10 = mul i64 %channel.2.if.v9, %dst_pixel
  %channel.2.if.v11 = add i64 %patch.2.v10, %channel.2.if.v10
  %channel.2.if.v12 = mul i64 %point_done.1.v2, 0
  %channel.2.if.v13 = add i64 %channel.2.if.v12, 1
  %channel.2.if.v14 = mul i64 %channel.2.if.v13, %dst_pixel
  %channel.2.if.v15 = add i64 %patch.2.v17, %channel.2.if.v14
  %channel.2.if.v16 = add i64 %channel.2.if.v15, %channel.2.v31
  %channel.2.if.v17 = getelementptr float, ptr %dst, i64 %channel.2.if.v16
  store <4 x float> %channel.2.v23, ptr %channel.2.if.v17, align 4
  %channel.2.if.v18 = mul i64 %ow, 0
  %channel.2.if.v19 = add i64 %channel.2.if.v18, 2
  %channel.2.if.v20 = mul i64 %channel.2.if.v19, %dst_pixel
  %channel.2.if.v21 = add i64 %patch.2.v10, %channel.2.if.v20
  %channel.2.if.v22 = mul i64 %point_done.1.v2, 0
  %channel.2.if.v23 = add i64 %channel.2.if.v22, 2
  %channel.2.if.v24 = mul i64 %channel.2.if.v23, %dst_pixel
  %channel.2.if.v25 = add i64 %patch.2.v17, %channel.2.if.v24
  %channel.2.if.v26 = add i64 %channel.2.if.v25, %channel.2.v31
  %channel.2.if.v27 = getelementptr float, ptr %dst, i64 %channel.2.if.v26
  store <4 x float> %channel.2.v26, ptr %channel.2.if.v27, align 4
  %channel.2.if.v28 = mul i64 %ow, 0
  %channel.2.if.v29 = add i64 %channel.2.if.v28, 3
  %channel.2.if.v30 = mul i64 %channel.2.if.v29, %dst_pixel
  %channel.2.if.v31 = add i64 %patch.2.v10, %channel.2.if.v30
  %channel.2.if.v32 = mul i64 %point_done.1.v2, 0
  %channel.2.if.v33 = add i64 %channel.2.if.v32, 3
  %channel.2.if.v34 = mul i64 %channel.2.if.v33, %dst_pixel
  %channel.2.if.v35 = add i64 %patch.2.v17, %channel.2.if.v34
  %channel.2.if.v36 = add i64 %channel.2.if.v35, %channel.2.v31
  %channel.2.if.v37 = getelementptr float, ptr %dst, i64 %channel.2.if.v36
  store <4 x float> %channel.2.v30, ptr %channel.2.if.v37, align 4
  br label %channel.2.endif
channel.2.else:
  store <4 x float> %channel.2.v20, ptr %entry.v38, align 4
  %channel.2.else.v0 = getelementptr float, ptr %entry.v38, i64 4
  store <4 x float> %channel.2.v23, ptr %channel.2.else.v0, align 4
  %channel.2.else.v1 = getelementptr float, ptr %entry.v38, i64 8
  store <4 x float> %channel.2.v26, ptr %channel.2.else.v1, align 4
  %channel.2.else.v2 = getelementptr float, ptr %entry.v38, i64 12
  store <4 x float> %channel.2.v30, ptr %channel.2.else.v2, align 4
  %channel.2.else.v3 = icmp slt i64 0, %patch.2.v21
  br i1 %channel.2.else.v3, label %out_row, label %out_row_done
channel.2.endif:
  %channel.2.endif.v0 = add i64 %channel.3, 4
  %channel.2.endif.v1 = icmp slt i64 %channel.2.endif.v0, %point_done.1.v5
  br i1 %channel.2.endif.v1, label %channel.2, label %channel_done.1
out_row:
  %out_row.1 = phi i64 [0, %channel.2.else], [%out_column_done.v0, %out_column_done]
  %out_row.v0 = icmp slt i64 0, %patch.2.v25
  br i1 %out_row.v0, label %out_column, label %out_column_done
out_row_done:
  br label %channel.2.endif
out_column:
  %out_column.1 = phi i64 [0, %out_row], [%out_column.v15, %out_column]
  %out_column.v0 = mul i64 %out_row.1, 4
  %out_column.v1 = add i64 %out_column.v0, %out_column.1
  %out_column.v2 = mul i64 %out_column.v1, 4
  %out_column.v3 = getelementptr float, ptr %entry.v38, i64 %out_column.v2
  %out_column.v4 = load <4 x float>, ptr %out_column.v3, align 4
  %out_column.v5 = mul i64 %ow, %out_row.1
  %out_column.v6 = add i64 %out_column.v5, %out_column.1
  %out_column.v7 = mul i64 %out_column.v6, %dst_pixel
  %out_column.v8 = add i64 %patch.2.v10, %out_column.v7
  %out_column.v9 = mul i64 %point_done.1.v2, %out_row.1
  %out_column.v10 = add i64 %out_column.v9, %out_column.1
  %out_column.v11 = mul i64 %out_column.v10, %dst_pixel
  %out_column.v12 = add i64 %patch.2.v17, %out_column.v11
  %out_column.v13 = add i64 %out_column.v12, %channel.2.v31
  %out_column.v14 = getelementptr float, ptr %dst, i64 %out_column.v13
  store <4 x float> %out_column.v4, ptr %out_column.v14, align 4
  %out_column.v15 = add i64 %out_column.1, 1
  %out_column.v16 = icmp slt i64 %out_column.v15, %patch.2.v25
  br i1 %out_column.v16, label %out_column, label %out_column_done
out_column_done:
  %out_column_done.v0 = add i64 %out_row.1, 1
  %out_column_done.v1 = icmp slt i64 %out_column_done.v0, %patch.2.v21
  br i1 %out_column_done.v1, label %out_row, label %out_row_done
}

declare void @llvm.masked.store.v4f32.p0(<4 x float> %p1, ptr %p2, i32 %p3, <4 x i1> %p4)

declare <4 x float> @llvm.masked.load.v4f32.p0(ptr %p1, i32 %p2, <4 x i1> %p3, <4 x float> %p4)

declare float @llvm.vector.reduce.fadd.v4f32(float %p1, <4 x float> %p2)

declare void @llvm.prefetch.p0(ptr %p1, i32 %p2, i32 %p3, i32 %p4)
