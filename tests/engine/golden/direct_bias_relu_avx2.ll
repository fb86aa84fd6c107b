; ModuleID = "kernel"
target triple = "unknown-unknown-unknown"
target datalayout = ""

define void @kernel(ptr %p1, i64 %p2, i64 %p3) nounwind
{
entry:
  %entry.v0 = getelementptr i64, ptr %p1, i64 0
  %dst = load ptr, ptr %entry.v0, align 8
  %entry.v1 = getelementptr i64, ptr %p1, i64 2
  %weights = load ptr, ptr %entry.v1, align 8
  %entry.v2 = getelementptr i64, ptr %p1, i64 3
  %n = load i64, ptr %entry.v2, align 8
  %entry.v3 = getelementptr i64, ptr %p1, i64 4
  %od = load i64, ptr %entry.v3, align 8
  %entry.v4 = getelementptr i64, ptr %p1, i64 5
  %oh = load i64, ptr %entry.v4, align 8
  %entry.v5 = getelementptr i64, ptr %p1, i64 6
  %ow = load i64, ptr %entry.v5, align 8
  %entry.v6 = getelementptr i64, ptr %p1, i64 7
  %oc = load i64, ptr %entry.v6, align 8
  %entry.v7 = getelementptr i64, ptr %p1, i64 25
  %taps0 = load i64, ptr %entry.v7, align 8
  %entry.v8 = getelementptr i64, ptr %p1, i64 26
  %tap0 = load i64, ptr %entry.v8, align 8
  %entry.v9 = getelementptr i64, ptr %p1, i64 27
  %taps1 = load i64, ptr %entry.v9, align 8
  %entry.v10 = getelementptr i64, ptr %p1, i64 28
  %tap1 = load i64, ptr %entry.v10, align 8
  %entry.v11 = getelementptr i64, ptr %p1, i64 29
  %taps2 = load i64, ptr %entry.v11, align 8
  %entry.v12 = getelementptr i64, ptr %p1, i64 30
  %tap2 = load i64, ptr %entry.v12, align 8
  %entry.v13 = getelementptr i64, ptr %p1, i64 31
  %run = load i64, ptr %entry.v13, align 8
  %entry.v14 = getelementptr i64, ptr %p1, i64 15
  %pixel = load i64, ptr %entry.v14, align 8
  %entry.v15 = getelementptr i64, ptr %p1, i64 23
  %ahead = load i64, ptr %entry.v15, align 8
  %entry.v16 = getelementptr i64, ptr %p1, i64 32
  %e0 = load ptr, ptr %entry.v16, align 8
  %entry.v17 = getelementptr i64, ptr %p1, i64 1
  %src = load ptr, ptr %entry.v17, align 8
  %entry.v18 = getelementptr i64, ptr %p1, i64 9
  %id = load i64, ptr %entry.v18, align 8
  %entry.v19 = getelementptr i64, ptr %p1, i64 10
  %ih = load i64, ptr %entry.v19, align 8
  %entry.v20 = getelementptr i64, ptr %p1, i64 11
  %iw = load i64, ptr %entry.v20, align 8
  %entry.v21 = getelementptr i64, ptr %p1, i64 8
  %ic = load i64, ptr %entry.v21, align 8
  %entry.v22 = getelementptr i64, ptr %p1, i64 12
  %stride_d = load i64, ptr %entry.v22, align 8
  %entry.v23 = getelementptr i64, ptr %p1, i64 13
  %stride_h = load i64, ptr %entry.v23, align 8
  %entry.v24 = getelementptr i64, ptr %p1, i64 14
  %stride_w = load i64, ptr %entry.v24, align 8
  %entry.v25 = getelementptr i64, ptr %p1, i64 16
  %block_rows = load i64, ptr %entry.v25, align 8
  %entry.v26 = getelementptr i64, ptr %p1, i64 17
  %block_columns = load i64, ptr %entry.v26, align 8
  %entry.v27 = getelementptr i64, ptr %p1, i64 18
  %parts = load i64, ptr %entry.v27, align 8
  %entry.v28 = getelementptr i64, ptr %p1, i64 19
  %group_ic = load i64, ptr %entry.v28, align 8
  %entry.v29 = getelementptr i64, ptr %p1, i64 20
  %group_oc = load i64, ptr %entry.v29, align 8
  %entry.v30 = getelementptr i64, ptr %p1, i64 21
  %group_blocks = load i64, ptr %entry.v30, align 8
  %entry.v31 = getelementptr i64, ptr %p1, i64 22
  %blocks = load i64, ptr %entry.v31, align 8
  %entry.v32 = mul i64 %taps0, %taps1
  %entry.v33 = mul i64 %entry.v32, %taps2
  %entry.v34 = mul i64 %entry.v33, %run
  %entry.v35 = mul i64 %entry.v34, 8
  %entry.v36 = add i64 %oh, %block_rows
  %entry.v37 = sub i64 %entry.v36, 1
  %entry.v38 = udiv i64 %entry.v37, %block_rows
  %entry.v39 = add i64 %ow, %block_columns
  %entry.v40 = sub i64 %entry.v39, 1
  %entry.v41 = udiv i64 %entry.v40, %block_columns
  %entry.v42 = mul i64 %n, %od
  %entry.v43 = mul i64 %entry.v42, %entry.v38
  %entry.v44 = mul i64 %entry.v43, %entry.v41
  %entry.v45 = mul i64 %entry.v44, %parts
  %entry.v46 = mul i64 %entry.v45, %p2
  %entry.v47 = udiv i64 %entry.v46, %p3
  %entry.v48 = add i64 %p2, 1
  %entry.v49 = mul i64 %entry.v45, %entry.v48
  %entry.v50 = udiv i64 %entry.v49, %p3
  %entry.v51 = icmp slt i64 %entry.v47, %entry.v50
  %entry.v52 = alloca [8 x float], align 64
  br i1 %entry.v51, label %unit, label %unit_done
unit:
  %unit.1 = phi i64 [%entry.v47, %entry], [%block_done.v0, %block_done]
  %unit.v0 = udiv i64 %unit.1, %entry.v44
  %unit.v1 = urem i64 %unit.1, %entry.v44
  %unit.v2 = urem i64 %unit.v1, %entry.v41
  %unit.v3 = mul i64 %unit.v2, %block_columns
  %unit.v4 = udiv i64 %unit.v1, %entry.v41
  %unit.v5 = urem i64 %unit.v4, %entry.v38
  %unit.v6 = mul i64 %unit.v5, %block_rows
  %unit.v7 = udiv i64 %unit.v4, %entry.v38
  %unit.v8 = add i64 %unit.v3, %block_columns
  %unit.v9 = icmp slt i64 %unit.v8, %ow
  %unit.v10 = select i1 %unit.v9, i64 %unit.v8, i64 %ow
  %unit.v11 = add i64 %unit.v6, %block_rows
  %unit.v12 = icmp slt i64 %unit.v11, %oh
  %unit.v13 = select i1 %unit.v12, i64 %unit.v11, i64 %oh
  %unit.v14 = sub i64 %ow, 1
  %unit.v15 = icmp slt i64 %unit.v3, %unit.v14
  %unit.v16 = select i1 %unit.v15, i64 %unit.v3, i64 %unit.v14
  %unit.v17 = udiv i64 %unit.v7, %od
  %unit.v18 = urem i64 %unit.v7, %od
  %unit.v19 = mul i64 %unit.v17, %id
  %unit.v20 = mul i64 %unit.v18, %stride_d
  %unit.v21 = add i64 %unit.v19, %unit.v20
  %unit.v22 = mul i64 %unit.v21, %ih
  %unit.v23 = mul i64 %unit.v6, %stride_h
  %unit.v24 = add i64 %unit.v22, %unit.v23
  %unit.v25 = mul i64 %unit.v24, %iw
  %unit.v26 = mul i64 %unit.v16, %stride_w
  %unit.v27 = add i64 %unit.v25, %unit.v26
  %unit.v28 = mul i64 %unit.v27, %ic
  %unit.v29 = getelementptr float, ptr %src, i64 %unit.v28
  %unit.v30 = mul i64 %stride_h, %iw
  %unit.v31 = mul i64 %unit.v30, %ic
  %unit.v32 = mul i64 %blocks, %unit.v0
  %unit.v33 = udiv i64 %unit.v32, %parts
  %unit.v34 = add i64 %unit.v0, 1
  %unit.v35 = mul i64 %blocks, %unit.v34
  %unit.v36 = udiv i64 %unit.v35, %parts
  %unit.v37 = icmp slt i64 %unit.v33, %unit.v36
  br i1 %unit.v37, label %block, label %block_done
unit_done:
  ret void
block:
  %block.1 = phi i64 [%unit.v33, %unit], [%row_done.v1, %row_done]
  %block.v0 = udiv i64 %block.1, %group_blocks
  %block.v1 = urem i64 %block.1, %group_blocks
  %block.v2 = mul i64 %block.v1, 8
  %block.v3 = mul i64 %block.v0, %group_oc
  %block.v4 = add i64 %block.v3, %block.v2
  %block.v5 = sub i64 %group_oc, %block.v2
  %block.v6 = mul i64 %block.v0, %group_ic
  %block.v7 = getelementptr float, ptr %unit.v29, i64 %block.v6
  %block.v8 = mul i64 %block.1, %entry.v35
  %block.v9 = getelementptr float, ptr %weights, i64 %block.v8
  %block.v10 = mul i64 %unit.v33, %entry.v35
  %block.v11 = getelementptr float, ptr %weights, i64 %block.v10
  %block.v12 = add i64 %unit.1, 1
  %block.v13 = icmp eq i64 %block.v12, %entry.v50
  %block.v14 = getelementptr i64, ptr %p1, i64 24
  %next_weights = load i64, ptr %block.v14, align 8
  %block.v15 = icmp eq i64 %next_weights, 0
  %block.v16 = getelementptr i64, ptr %p1, i64 24
  %next_weights.1 = load ptr, ptr %block.v16, align 8
  %block.v17 = select i1 %block.v15, ptr %block.v11, ptr %next_weights.1
  %block.v18 = select i1 %block.v13, ptr %block.v17, ptr %block.v11
  %block.v19 = add i64 %block.1, 1
  %block.v20 = icmp slt i64 %block.v19, %unit.v36
  %block.v21 = add i64 %block.1, 1
  %block.v22 = mul i64 %block.v21, %entry.v35
  %block.v23 = getelementptr float, ptr %weights, i64 %block.v22
  %block.v24 = select i1 %block.v20, ptr %block.v23, ptr %block.v18
  %block.v25 = icmp slt i64 %unit.v6, %unit.v13
  br i1 %block.v25, label %row, label %row_done
block_done:
  %block_done.v0 = add i64 %unit.1, 1
  %block_done.v1 = icmp slt i64 %block_done.v0, %entry.v50
  br i1 %block_done.v1, label %unit, label %unit_done
row:
  %row.1 = phi i64 [%unit.v6, %block], [%tile_done.v1, %tile_done]
  %row.v0 = phi ptr [%block.v24, %block], [%tile_done.v0, %tile_done]
  %row.v1 = icmp slt i64 %unit.v3, %unit.v10
  br i1 %row.v1, label %tile, label %tile_done
row_done:
  %row_done.v0 = phi ptr [%block.v24, %block], [%tile_done.v0, %tile_done]
  %row_done.v1 = add i64 %block.1, 1
  %row_done.v2 = icmp slt i64 %row_done.v1, %unit.v36
  br i1 %row_done.v2, label %block, label %block_done
tile:
  %tile.1 = phi i64 [%unit.v3, %row], [%tap_done.endif.v0, %tap_done.endif]
  %tile.v0 = phi ptr [%row.v0, %row], [%tap_done.v1, %tap_done.endif]
  %tile.v1 = sub i64 %ow, 1
  %tile.v2 = icmp slt i64 %tile.1, %tile.v1
  %tile.v3 = select i1 %tile.v2, i64 %tile.1, i64 %tile.v1
  %tile.v4 = mul i64 %unit.v7, %oh
  %tile.v5 = add i64 %tile.v4, %row.1
  %tile.v6 = mul i64 %tile.v5, %ow
  %tile.v7 = add i64 %tile.v6, %tile.v3
  %tile.v8 = sub i64 %row.1, %unit.v6
  %tile.v9 = mul i64 %tile.v8, %unit.v31
  %tile.v10 = sub i64 %tile.v3, %unit.v16
  %tile.v11 = mul i64 %tile.v10, %pixel
  %tile.v12 = add i64 %tile.v9, %tile.v11
  %tile.v13 = getelementptr float, ptr %block.v7, i64 %tile.v12
  %tile.v14 = mul i64 %run, 8
  %tile.v15 = mul i64 %tile.v14, %taps1
  %tile.v16 = mul i64 %tile.v15, %taps2
  br label %tap
tile_done:
  %tile_done.v0 = phi ptr [%row.v0, %row], [%tap_done.v1, %tap_done.endif]
  %tile_done.v1 = add i64 %row.1, 1
  %tile_done.v2 = icmp slt i64 %tile_done.v1, %unit.v13
  br i1 %tile_done.v2, label %row, label %row_done
tap:
  %tap.1 = phi i64 [0, %tile], [%tap_done.1.v6, %tap_done.1]
  %tap.v0 = phi <8 x float> [splat (float 0.0), %tile], [%tap_done.1.v0, %tap_done.1]
  %tap.v1 = phi ptr [%tile.v0, %tile], [%tap_done.1.v1, %tap_done.1]
  %tap.v2 = phi ptr [%tile.v13, %tile], [%tap_done.1.v4, %tap_done.1]
  %tap.v3 = phi ptr [%block.v9, %tile], [%tap_done.1.v5, %tap_done.1]
  %tap.v4 = mul i64 %run, 8
  %tap.v5 = mul i64 %tap.v4, %taps2
  br label %tap.2
tap_done:
  %tap_done.v0 = phi <8 x float> [%tap_done.1.v0, %tap_done.1]
  %tap_done.v1 = phi ptr [%tap_done.1.v1, %tap_done.1]
  %tap_done.v2 = phi ptr [%tap_done.1.v4, %tap_done.1]
  %tap_done.v3 = phi ptr [%tap_done.1.v5, %tap_done.1]
  %tap_done.v4 = mul i64 %unit.v7, %oh
  %tap_done.v5 = add i64 %tap_done.v4, %row.1
  %tap_done.v6 = mul i64 %tap_done.v5, %ow
  %tap_done.v7 = add i64 %tap_done.v6, %tile.v3
  %tap_done.v8 = mul i64 %tap_done.v7, %oc
  %tap_done.v9 = icmp sge i64 %block.v5, 8
  br i1 %tap_done.v9, label %tap_done.if, label %tap_done.else
tap.2:
  %tap.3 = phi i64 [0, %tap], [%tap_done.2.v6, %tap_done.2]
  %tap.2.v0 = phi <8 x float> [%tap.v0, %tap], [%tap_done.2.v0, %tap_done.2]
  %tap.2.v1 = phi ptr [%tap.v1, %tap], [%tap_done.2.v1, %tap_done.2]
  %tap.2.v2 = phi ptr [%tap.v2, %tap], [%tap_done.2.v4, %tap_done.2]
  %tap.2.v3 = phi ptr [%tap.v3, %tap], [%tap_done.2.v5, %tap_done.2]
  %tap.2.v4 = mul i64 %run, 8
  br label %tap.4
tap_done.1:
  %tap_done.1.v0 = phi <8 x float> [%tap_done.2.v0, %tap_done.2]
  %tap_done.1.v1 = phi ptr [%tap_done.2.v1, %tap_done.2]
  %tap_done.1.v2 = phi ptr [%tap_done.2.v4, %tap_done.2]
  %tap_done.1.v3 = phi ptr [%tap_done.2.v5, %tap_done.2]
  %tap_done.1.v4 = getelementptr float, ptr %tap.v2, i64 %tap0
  %tap_done.1.v5 = getelementptr float, ptr %tap.v3, i64 %tile.v16
  %tap_done.1.v6 = add i64 %tap.1, 1
  %tap_done.1.v7 = icmp slt i64 %tap_done.1.v6, %taps0
  br i1 %tap_done.1.v7, label %tap, label %tap_done
tap.4:
  %tap.5 = phi i64 [0, %tap.2], [%depth_done.v6, %depth_done]
  %tap.4.v0 = phi <8 x float> [%tap.2.v0, %tap.2], [%depth_done.v0, %depth_done]
  %tap.4.v1 = phi ptr [%tap.2.v1, %tap.2], [%depth_done.v3, %depth_done]
  %tap.4.v2 = phi ptr [%tap.2.v2, %tap.2], [%depth_done.v4, %depth_done]
  %tap.4.v3 = phi ptr [%tap.2.v3, %tap.2], [%depth_done.v5, %depth_done]
  %tap.4.v4 = icmp slt i64 0, %run
  br i1 %tap.4.v4, label %depth, label %depth_done
tap_done.2:
  %tap_done.2.v0 = phi <8 x float> [%depth_done.v0, %depth_done]
  %tap_done.2.v1 = phi ptr [%depth_done.v3, %depth_done]
  %tap_done.2.v2 = phi ptr [%depth_done.v4, %depth_done]
  %tap_done.2.v3 = phi ptr [%depth_done.v5, %depth_done]
  %tap_done.2.v4 = getelementptr float, ptr %tap.2.v2, i64 %tap1
  %tap_done.2.v5 = getelementptr float, ptr %tap.2.v3, i64 %tap.v5
  %tap_done.2.v6 = add i64 %tap.3, 1
  %tap_done.2.v7 = icmp slt i64 %tap_done.2.v6, %taps1
  br i1 %tap_done.2.v7, label %tap.2, label %tap_done.1
depth:
  %depth.1 = phi i64 [0, %tap.4], [%depth.v13, %depth]
  %depth.v0 = phi <8 x float> [%tap.4.v0, %tap.4], [%depth.v9, %depth]
  %depth.v1 = phi ptr [%tap.4.v2, %tap.4], [%depth.v11, %depth]
  %depth.v2 = phi ptr [%tap.4.v3, %tap.4], [%depth.v12, %depth]
  %depth.v3 = phi ptr [%tap.4.v1, %tap.4], [%depth.v10, %depth]
  %depth.v4 = call ptr asm "", "=r,0"(ptr %depth.v1)
  %depth.v5 = load <8 x float>, ptr %depth.v2, align 4
  %depth.v6 = load float, ptr %depth.v4, align 4
  %depth.v7 = insertelement <8 x float> splat (float undef), float %depth.v6, i32 0
  %depth.v8 = shufflevector <8 x float> %depth.v7, <8 x float> splat (float undef), <8 x i32> splat (i32 0)
  %depth.v9 = call <8 x float> @llvm.fma.v8f32(<8 x float> %depth.v8, <8 x float> %depth.v5, <8 x float> %depth.v0)
  call void @llvm.prefetch.p0(ptr %depth.v3, i32 0, i32 2, i32 1)
  %depth.v10 = getelementptr float, ptr %depth.v3, i64 %ahead
  %depth.v11 = getelementptr float, ptr %depth.v4, i64 1
  %depth.v12 = getelementptr float, ptr %depth.v2, i64 8
  %depth.v13 = add i64 %depth.1, 1
  %depth.v14 = icmp slt i64 %depth.v13, %run
  br i1 %depth.v14, label %depth, label %depth_done
depth_done:
  %depth_done.v0 = phi <8 x float> [%tap.4.v0, %tap.4], [%depth.v9, %depth]
  %depth_done.v1 = phi ptr [%tap.4.v2, %tap.4], [%depth.v11, %depth]
  %depth_done.v2 = phi ptr [%tap.4.v3, %tap.4], [%depth.v12, %depth]
  %depth_done.v3 = phi ptr [%tap.4.v1, %tap.4], [%depth.v10, %depth]
  %depth_done.v4 = getelementptr float, ptr %tap.4.v2, i64 %tap2
  %depth_done.v5 = getelementptr float, ptr %tap.4.v3, i64 %tap.2.v4
  %depth_done.v6 = add i64 %tap.5, 1
  %depth_done.v7 = icmp slt i64 %depth_done.v6, %taps2
  br i1 %depth_done.v7, label %tap.4, label %tap_done.2
tap_done.if:
  %tap_done.if.v0 = getelementptr float, ptr %e0, i64 %block.v4
  %tap_done.if.v1 = load <8 x float>, ptr %tap_done.if.v0, align 4
  %tap_done.if.v2 = mul i64 %oc, 0
  %tap_done.if.v3 = add i64 %tap_done.v8, %tap_done.if.v2
  %tap_done.if.v4 = fadd <8 x float> %tap_done.v0, %tap_done.if.v1
  %tap_done.if.v5 = call nsz <8 x float> @llvm.maximum.v8f32(<8 x float> %tap_done.if.v4, <8 x float> splat (float 0x0))
  %tap_done.if.v6 = add i64 %tap_done.if.v3, %block.v4
  %tap_done.if.v7 = getelementptr float, ptr %dst, i64 %tap_done.if.v6
  store <8 x float> %tap_done.if.v5, ptr %tap_done.if.v7, align 4
  br label %tap_done.endif
tap_done.else:
  store <8 x float> %tap_done.v0, ptr %entry.v52, align 4
  %tap_done.else.v0 = icmp slt i64 0, 1
  br i1 %tap_done.else.v0, label %pixel.1, label %pixel_done
tap_done.endif:
  %tap_done.endif.v0 = add i64 %tile.1, 1
  %tap_done.endif.v1 = icmp slt i64 %tap_done.endif.v0, %unit.v10
  br i1 %tap_done.endif.v1, label %tile, label %tile_done
pixel.1:
  %pixel.2 = phi i64 [0, %tap_done.else], [%vector_done.v0, %vector_done]
  %pixel.1.v0 = mul i64 %oc, %pixel.2
  %pixel.1.v1 = add i64 %tap_done.v8, %pixel.1.v0
  %pixel.1.v2 = icmp slt i64 %block.v5, 8
  %pixel.1.v3 = select i1 %pixel.1.v2, i64 %block.v5, i64 8
  %pixel.1.v4 = icmp slt i64 0, %pixel.1.v3
  br i1 %pixel.1.v4, label %vector, label %vector_done
pixel_done:
  br label %tap_done.endif
vector:
  %vector.1 = phi i64 [0, %pixel.1], [%vector.endif.v0, %vector.endif]
  %vector.v0 = add i64 %block.v4, %vector.1
  %vector.v1 = mul i64 %pixel.2, 8
  %vector.v2 = add i64 %vector.v1, %vector.1
  %vector.v3 = getelementptr float, ptr %entry.v52, i64 %vector.v2
  %vector.v4 = load <8 x float>, ptr %vector.v3, align 4
  %vector.v5 = add i64 %vector.1, 8
  %vector.v6 = icmp sle i64 %vector.v5, %block.v5
  br i1 %vector.v6, label %vector.if, label %vector.else
vector_done:
  %vector_done.v0 = add i64 %pixel.2, 1
  %vector_done.v1 = icmp slt i64 %vector_done.v0, 1
  br i1 %vector_done.v1, label %pixel.1, label %pixel_done
vector.if:
  %vector.if.v0 = getelementptr float, ptr %e0, i64 %vector.v0
  %vector.if.v1 = load <8 x float>, ptr %vector.if.v0, align 4
  %vector.if.v2 = fadd <8 x float> %vector.v4, %vector.if.v1
  %vector.if.v3 = call nsz <8 x float> @llvm.maximum.v8f32(<8 x float> %vector.if.v2, <8 x float> splat (float 0x0))
  %vector.if.v4 = add i64 %pixel.1.v1, %vector.v0
  %vector.if.v5 = getelementptr float, ptr %dst, i64 %vector.if.v4
  store <8 x float> %vector.if.v3, ptr %vector.if.v5, align 4
  br label %vector.endif
vector.else:
  %vector.else.v0 = sub i64 %block.v5, %vector.1
  %vector.else.v1 = icmp sgt i64 %vector.else.v0, 0
  %vector.else.v2 = select i1 %vector.else.v1, i64 %vector.else.v0, i64 0
  %vector.else.v3 = icmp slt i64 %vector.else.v2, 8
  %vector.else.v4 = select i1 %vector.else.v3, i64 %vector.else.v2, i64 8
  %vector.else.v5 = trunc i64 %vector.else.v4 to i32
  %vector.else.v6 = insertelement <8 x i32> splat (i32 undef), i32 %vector.else.v5, i32 0
  %vector.else.v7 = shufflevector <8 x i32> %vector.else.v6, <8 x i32> splat (i32 undef), <8 x i32> splat (i32 0)
  %vector.else.v8 = icmp ult <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>, %vector.else.v7
  %vector.else.v9 = getelementptr float, ptr %e0, i64 %vector.v0
  %vector.else.v10 = call <8 x float> @llvm.masked.load.v8f32.p0(ptr %vector.else.v9, i32 4, <8 x i1> %vector.else.v8, <8 x float> splat (float 0.0))
  %vector.else.v11 = fadd <8 x float> %vector.v4, %vector.else.v10
  %vector.else.v12 = call nsz <8 x float> @llvm.maximum.v8f32(<8 x float> %vector.else.v11, <8 x float> splat (float 0x0))
  %vector.else.v13 = add i64 %pixel.1.v1, %vector.v0
  %vector.else.v14 = getelementptr float, ptr %dst, i64 %vector.else.v13
  call void @llvm.masked.store.v8f32.p0(<8 x float> %vector.else.v12, ptr %vector.else.v14, i32 4, <8 x i1> %vector.else.v8)
  br label %vector.endif
vector.endif:
  %vector.endif.v0 = add i64 %vector.1, 8
  %vector.endif.v1 = icmp slt i64 %vector.endif.v0, %pixel.1.v3
  br i1 %vector.endif.v1, label %vector, label %vector_done
}

declare <8 x float> @llvm.fma.v8f32(<8 x float> %p1, <8 x float> %p2, <8 x float> %p3)

declare void @llvm.prefetch.p0(ptr %p1, i32 %p2, i32 %p3, i32 %p4)

declare <8 x float> @llvm.maximum.v8f32(<8 x float> %p1, <8 x float> %p2)

declare <8 x float> @llvm.masked.load.v8f32.p0(ptr %p1, i32 %p2, <8 x i1> %p3, <8 x float> %p4)

declare void @llvm.masked.store.v8f32.p0(<8 x float> %p1, ptr %p2, i32 %p3, <8 x i1> %p4)
