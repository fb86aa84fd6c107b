; ModuleID = "kernel"
target triple = "unknown-unknown-unknown"
target datalayout = ""

define void @kernel(ptr %p1, i64 %p2, i64 %p3) nounwind
{
entry:
  %entry.v0 = getelementptr i64, ptr %p1, i64 2
  %i0 = load ptr, ptr %entry.v0, align 8
  %entry.v1 = getelementptr i64, ptr %p1, i64 3
  %o0 = load ptr, ptr %entry.v1, align 8
  %entry.v2 = getelementptr i64, ptr %p1, i64 0
  %n = load i64, ptr %entry.v2, align 8
  %entry.v3 = getelementptr i64, ptr %p1, i64 1
  %chunk = load i64, ptr %entry.v3, align 8
  %entry.v4 = sub i64 %chunk, 1
  %entry.v5 = add i64 %n, %entry.v4
  %entry.v6 = udiv i64 %entry.v5, %chunk
  %entry.v7 = mul i64 %entry.v6, %p2
  %entry.v8 = udiv i64 %entry.v7, %p3
  %entry.v9 = add i64 %p2, 1
  %entry.v10 = mul i64 %entry.v6, %entry.v9
  %entry.v11 = udiv i64 %entry.v10, %p3
  %entry.v12 = icmp slt i64 %entry.v8, %entry.v11
  br i1 %entry.v12, label %unit, label %unit_done
unit:
  %unit.1 = phi i64 [%entry.v8, %entry], [%tail_done.v0, %tail_done]
  %unit.v0 = phi i64 [%entry.v8, %entry], [%unit.v1, %tail_done]
  %unit.v1 = add i64 %unit.v0, 1
  %unit.v2 = mul i64 %unit.v0, %chunk
  %unit.v3 = add i64 %unit.v2, %chunk
  %unit.v4 = icmp slt i64 %unit.v3, %n
  %unit.v5 = select i1 %unit.v4, i64 %unit.v3, i64 %n
  %unit.v6 = sub i64 %unit.v5, 3
  %unit.v7 = icmp slt i64 %unit.v2, %unit.v6
  br i1 %unit.v7, label %inner, label %inner_done
unit_done:
  %unit_done.v0 = phi i64 [%entry.v8, %entry], [%unit.v1, %tail_done]
  ret void
inner:
  %inner.1 = phi i64 [%unit.v2, %unit], [%inner.v36, %inner]
  %inner.v0 = getelementptr float, ptr %i0, i64 %inner.1
  %inner.v1 = load <4 x float>, ptr %inner.v0, align 4
  %inner.v2 = call nsz <4 x float> @llvm.maximum.v4f32(<4 x float> %inner.v1, <4 x float> splat (float 0xc05a000000000000))
  %inner.v3 = call nsz <4 x float> @llvm.minimum.v4f32(<4 x float> %inner.v2, <4 x float> splat (float 0x4056400000000000))
  %inner.v4 = fmul <4 x float> %inner.v3, splat (float 0x3ff7154760000000)
  %inner.v5 = fadd <4 x float> %inner.v4, splat (float 0x4168000000000000)
  %inner.v6 = fsub <4 x float> %inner.v5, splat (float 0x4168000000000000)
  %inner.v7 = fmul <4 x float> %inner.v6, splat (float 0xbfe6300000000000)
  %inner.v8 = fadd <4 x float> %inner.v7, %inner.v3
  %inner.v9 = fmul <4 x float> %inner.v6, splat (float 0x3f2bd01060000000)
  %inner.v10 = fadd <4 x float> %inner.v9, %inner.v8
  %inner.v11 = fmul <4 x float> %inner.v10, %inner.v10
  %inner.v12 = fmul <4 x float> splat (float 0x3f56afe400000000), %inner.v10
  %inner.v13 = fadd <4 x float> %inner.v12, splat (float 0x3f81244940000000)
  %inner.v14 = fmul <4 x float> %inner.v13, %inner.v10
  %inner.v15 = fadd <4 x float> %inner.v14, splat (float 0x3fa5558260000000)
  %inner.v16 = fmul <4 x float> %inner.v15, %inner.v10
  %inner.v17 = fadd <4 x float> %inner.v16, splat (float 0x3fc5554820000000)
  %inner.v18 = fmul <4 x float> %inner.v17, %inner.v10
  %inner.v19 = fadd <4 x float> %inner.v18, splat (float 0x3fdfffffc0000000)
  %inner.v20 = fmul <4 x float> %inner.v11, %inner.v19
  %inner.v21 = fadd <4 x float> %inner.v20, %inner.v10
  %inner.v22 = fadd <4 x float> %inner.v21, splat (float 0x3ff0000000000000)
  %inner.v23 = bitcast <4 x float> %inner.v5 to <4 x i32>
  %inner.v24 = sub <4 x i32> %inner.v23, splat (i32 1262485504)
  %inner.v25 = ashr <4 x i32> %inner.v24, splat (i32 1)
  %inner.v26 = add <4 x i32> %inner.v25, splat (i32 127)
  %inner.v27 = shl <4 x i32> %inner.v26, splat (i32 23)
  %inner.v28 = bitcast <4 x i32> %inner.v27 to <4 x float>
  %inner.v29 = fmul <4 x float> %inner.v22, %inner.v28
  %inner.v30 = sub <4 x i32> %inner.v24, %inner.v25
  %inner.v31 = add <4 x i32> %inner.v30, splat (i32 127)
  %inner.v32 = shl <4 x i32> %inner.v31, splat (i32 23)
  %inner.v33 = bitcast <4 x i32> %inner.v32 to <4 x float>
  %inner.v34 = fmul <4 x float> %inner.v29, %inner.v33
  %inner.v35 = getelementptr float, ptr %o0, i64 %inner.1
  store <4 x float> %inner.v34, ptr %inner.v35, align 4
  %inner.v36 = add i64 %inner.1, 4
  %inner.v37 = icmp slt i64 %inner.v36, %unit.v6
  br i1 %inner.v37, label %inner, label %inner_done
inner_done:
  %inner_done.v0 = sub i64 %unit.v5, %unit.v2
  %inner_done.v1 = udiv i64 %inner_done.v0, 4
  %inner_done.v2 = mul i64 %inner_done.v1, 4
  %inner_done.v3 = add i64 %unit.v2, %inner_done.v2
  %inner_done.v4 = icmp slt i64 %inner_done.v3, %unit.v5
  br i1 %inner_done.v4, label %tail, label %tail_done
tail:
  %tail.1 = phi i64 [%inner_done.v3, %inner_done], [%tail.v45, %tail]
  %tail.v0 = sub i64 %unit.v5, %tail.1
  %tail.v1 = icmp sgt i64 %tail.v0, 0
  %tail.v2 = select i1 %tail.v1, i64 %tail.v0, i64 0
  %tail.v3 = icmp slt i64 %tail.v2, 4
  %tail.v4 = select i1 %tail.v3, i64 %tail.v2, i64 4
  %tail.v5 = trunc i64 %tail.v4 to i32
  %tail.v6 = insertelement <4 x i32> splat (i32 undef), i32 %tail.v5, i32 0
  %tail.v7 = shufflevector <4 x i32> %tail.v6, <4 x i32> splat (i32 undef), <4 x i32> splat (i32 0)
  %tail.v8 = icmp ult <4 x i32> <i32 0, i32 1, i32 2, i32 3>, %tail.v7
  %tail.v9 = getelementptr float, ptr %i0, i64 %tail.1
  %tail.v10 = call <4 x float> @llvm.masked.load.v4f32.p0(ptr %tail.v9, i32 4, <4 x i1> %tail.v8, <4 x float> splat (float 0.0))
  %tail.v11 = call nsz <4 x float> @llvm.maximum.v4f32(<4 x float> %tail.v10, <4 x float> splat (float 0xc05a000000000000))
  %tail.v12 = call nsz <4 x float> @llvm.minimum.v4f32(<4 x float> %tail.v11, <4 x float> splat (float 0x4056400000000000))
  %tail.v13 = fmul <4 x float> %tail.v12, splat (float 0x3ff7154760000000)
  %tail.v14 = fadd <4 x float> %tail.v13, splat (float 0x4168000000000000)
  %tail.v15 = fsub <4 x float> %tail.v14, splat (float 0x4168000000000000)
  %tail.v16 = fmul <4 x float> %tail.v15, splat (float 0xbfe6300000000000)
  %tail.v17 = fadd <4 x float> %tail.v16, %tail.v12
  %tail.v18 = fmul <4 x float> %tail.v15, splat (float 0x3f2bd01060000000)
  %tail.v19 = fadd <4 x float> %tail.v18, %tail.v17
  %tail.v20 = fmul <4 x float> %tail.v19, %tail.v19
  %tail.v21 = fmul <4 x float> splat (float 0x3f56afe400000000), %tail.v19
  %tail.v22 = fadd <4 x float> %tail.v21, splat (float 0x3f81244940000000)
  %tail.v23 = fmul <4 x float> %tail.v22, %tail.v19
  %tail.v24 = fadd <4 x float> %tail.v23, splat (float 0x3fa5558260000000)
  %tail.v25 = fmul <4 x float> %tail.v24, %tail.v19
  %tail.v26 = fadd <4 x float> %tail.v25, splat (float 0x3fc5554820000000)
  %tail.v27 = fmul <4 x float> %tail.v26, %tail.v19
  %tail.v28 = fadd <4 x float> %tail.v27, splat (float 0x3fdfffffc0000000)
  %tail.v29 = fmul <4 x float> %tail.v20, %tail.v28
  %tail.v30 = fadd <4 x float> %tail.v29, %tail.v19
  %tail.v31 = fadd <4 x float> %tail.v30, splat (float 0x3ff0000000000000)
  %tail.v32 = bitcast <4 x float> %tail.v14 to <4 x i32>
  %tail.v33 = sub <4 x i32> %tail.v32, splat (i32 1262485504)
  %tail.v34 = ashr <4 x i32> %tail.v33, splat (i32 1)
  %tail.v35 = add <4 x i32> %tail.v34, splat (i32 127)
  %tail.v36 = shl <4 x i32> %tail.v35, splat (i32 23)
  %tail.v37 = bitcast <4 x i32> %tail.v36 to <4 x float>
  %tail.v38 = fmul <4 x float> %tail.v31, %tail.v37
  %tail.v39 = sub <4 x i32> %tail.v33, %tail.v34
  %tail.v40 = add <4 x i32> %tail.v39, splat (i32 127)
  %tail.v41 = shl <4 x i32> %tail.v40, splat (i32 23)
  %tail.v42 = bitcast <4 x i32> %tail.v41 to <4 x float>
  %tail.v43 = fmul <4 x float> %tail.v38, %tail.v42
  %tail.v44 = getelementptr float, ptr %o0, i64 %tail.1
  call void @llvm.masked.store.v4f32.p0(<4 x float> %tail.v43, ptr %tail.v44, i32 4, <4 x i1> %tail.v8)
  %tail.v45 = add i64 %tail.1, 4
  %tail.v46 = icmp slt i64 %tail.v45, %unit.v5
  br i1 %tail.v46, label %tail, label %tail_done
tail_done:
  %tail_done.v0 = add i64 %unit.1, 1
  %tail_done.v1 = icmp slt i64 %tail_done.v0, %entry.v11
  br i1 %tail_done.v1, label %unit, label %unit_done
}

declare <4 x float> @llvm.maximum.v4f32(<4 x float> %p1, <4 x float> %p2)

declare <4 x float> @llvm.minimum.v4f32(<4 x float> %p1, <4 x float> %p2)

declare <4 x float> @llvm.masked.load.v4f32.p0(ptr %p1, i32 %p2, <4 x i1> %p3, <4 x float> %p4)

declare void @llvm.masked.store.v4f32.p0(<4 x float> %p1, ptr %p2, i32 %p3, <4 x i1> %p4)
