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
  %unit.v6 = sub i64 %unit.v5, 7
  %unit.v7 = icmp slt i64 %unit.v2, %unit.v6
  br i1 %unit.v7, label %inner, label %inner_done
unit_done:
  %unit_done.v0 = phi i64 [%entry.v8, %entry], [%unit.v1, %tail_done]
  ret void
inner:
  %inner.1 = phi i64 [%unit.v2, %unit], [%inner.v28, %inner]
  %inner.v0 = getelementptr float, ptr %i0, i64 %inner.1
  %inner.v1 = load <8 x float>, ptr %inner.v0, align 4
  %inner.v2 = call nsz <8 x float> @llvm.maximum.v8f32(<8 x float> %inner.v1, <8 x float> splat (float 0xc05a000000000000))
  %inner.v3 = call nsz <8 x float> @llvm.minimum.v8f32(<8 x float> %inner.v2, <8 x float> splat (float 0x4056400000000000))
  %inner.v4 = call <8 x float> @llvm.fma.v8f32(<8 x float> %inner.v3, <8 x float> splat (float 0x3ff7154760000000), <8 x float> splat (float 0x4168000000000000))
  %inner.v5 = fsub <8 x float> %inner.v4, splat (float 0x4168000000000000)
  %inner.v6 = call <8 x float> @llvm.fma.v8f32(<8 x float> %inner.v5, <8 x float> splat (float 0xbfe6300000000000), <8 x float> %inner.v3)
  %inner.v7 = call <8 x float> @llvm.fma.v8f32(<8 x float> %inner.v5, <8 x float> splat (float 0x3f2bd01060000000), <8 x float> %inner.v6)
  %inner.v8 = fmul <8 x float> %inner.v7, %inner.v7
  %inner.v9 = call <8 x float> @llvm.fma.v8f32(<8 x float> splat (float 0x3f56afe400000000), <8 x float> %inner.v7, <8 x float> splat (float 0x3f81244940000000))
  %inner.v10 = call <8 x float> @llvm.fma.v8f32(<8 x float> %inner.v9, <8 x float> %inner.v7, <8 x float> splat (float 0x3fa5558260000000))
  %inner.v11 = call <8 x float> @llvm.fma.v8f32(<8 x float> %inner.v10, <8 x float> %inner.v7, <8 x float> splat (float 0x3fc5554820000000))
  %inner.v12 = call <8 x float> @llvm.fma.v8f32(<8 x float> %inner.v11, <8 x float> %inner.v7, <8 x float> splat (float 0x3fdfffffc0000000))
  %inner.v13 = call <8 x float> @llvm.fma.v8f32(<8 x float> %inner.v8, <8 x float> %inner.v12, <8 x float> %inner.v7)
  %inner.v14 = fadd <8 x float> %inner.v13, splat (float 0x3ff0000000000000)
  %inner.v15 = bitcast <8 x float> %inner.v4 to <8 x i32>
  %inner.v16 = sub <8 x i32> %inner.v15, splat (i32 1262485504)
  %inner.v17 = ashr <8 x i32> %inner.v16, splat (i32 1)
  %inner.v18 = add <8 x i32> %inner.v17, splat (i32 127)
  %inner.v19 = shl <8 x i32> %inner.v18, splat (i32 23)
  %inner.v20 = bitcast <8 x i32> %inner.v19 to <8 x float>
  %inner.v21 = fmul <8 x float> %inner.v14, %inner.v20
  %inner.v22 = sub <8 x i32> %inner.v16, %inner.v17
  %inner.v23 = add <8 x i32> %inner.v22, splat (i32 127)
  %inner.v24 = shl <8 x i32> %inner.v23, splat (i32 23)
  %inner.v25 = bitcast <8 x i32> %inner.v24 to <8 x float>
  %inner.v26 = fmul <8 x float> %inner.v21, %inner.v25
  %inner.v27 = getelementptr float, ptr %o0, i64 %inner.1
  store <8 x float> %inner.v26, ptr %inner.v27, align 4
  %inner.v28 = add i64 %inner.1, 8
  %inner.v29 = icmp slt i64 %inner.v28, %unit.v6
  br i1 %inner.v29, label %inner, label %inner_done
inner_done:
  %inner_done.v0 = sub i64 %unit.v5, %unit.v2
  %inner_done.v1 = udiv i64 %inner_done.v0, 8
  %inner_done.v2 = mul i64 %inner_done.v1, 8
  %inner_done.v3 = add i64 %unit.v2, %inner_done.v2
  %inner_done.v4 = icmp slt i64 %inner_done.v3, %unit.v5
  br i1 %inner_done.v4, label %tail, label %tail_done
tail:
  %tail.1 = phi i64 [%inner_done.v3, %inner_done], [%tail.v37, %tail]
  %tail.v0 = sub i64 %unit.v5, %tail.1
  %tail.v1 = icmp sgt i64 %tail.v0, 0
  %tail.v2 = select i1 %tail.v1, i64 %tail.v0, i64 0
  %tail.v3 = icmp slt i64 %tail.v2, 8
  %tail.v4 = select i1 %tail.v3, i64 %tail.v2, i64 8
  %tail.v5 = trunc i64 %tail.v4 to i32
  %tail.v6 = insertelement <8 x i32> splat (i32 undef), i32 %tail.v5, i32 0
  %tail.v7 = shufflevector <8 x i32> %tail.v6, <8 x i32> splat (i32 undef), <8 x i32> splat (i32 0)
  %tail.v8 = icmp ult <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>, %tail.v7
  %tail.v9 = getelementptr float, ptr %i0, i64 %tail.1
  %tail.v10 = call <8 x float> @llvm.masked.load.v8f32.p0(ptr %tail.v9, i32 4, <8 x i1> %tail.v8, <8 x float> splat (float 0.0))
  %tail.v11 = call nsz <8 x float> @llvm.maximum.v8f32(<8 x float> %tail.v10, <8 x float> splat (float 0xc05a000000000000))
  %tail.v12 = call nsz <8 x float> @llvm.minimum.v8f32(<8 x float> %tail.v11, <8 x float> splat (float 0x4056400000000000))
  %tail.v13 = call <8 x float> @llvm.fma.v8f32(<8 x float> %tail.v12, <8 x float> splat (float 0x3ff7154760000000), <8 x float> splat (float 0x4168000000000000))
  %tail.v14 = fsub <8 x float> %tail.v13, splat (float 0x4168000000000000)
  %tail.v15 = call <8 x float> @llvm.fma.v8f32(<8 x float> %tail.v14, <8 x float> splat (float 0xbfe6300000000000), <8 x float> %tail.v12)
  %tail.v16 = call <8 x float> @llvm.fma.v8f32(<8 x float> %tail.v14, <8 x float> splat (float 0x3f2bd01060000000), <8 x float> %tail.v15)
  %tail.v17 = fmul <8 x float> %tail.v16, %tail.v16
  %tail.v18 = call <8 x float> @llvm.fma.v8f32(<8 x float> splat (float 0x3f56afe400000000), <8 x float> %tail.v16, <8 x float> splat (float 0x3f81244940000000))
  %tail.v19 = call <8 x float> @llvm.fma.v8f32(<8 x float> %tail.v18, <8 x float> %tail.v16, <8 x float> splat (float 0x3fa5558260000000))
  %tail.v20 = call <8 x float> @llvm.fma.v8f32(<8 x float> %tail.v19, <8 x float> %tail.v16, <8 x float> splat (float 0x3fc5554820000000))
  %tail.v21 = call <8 x float> @llvm.fma.v8f32(<8 x float> %tail.v20, <8 x float> %tail.v16, <8 x float> splat (float 0x3fdfffffc0000000))
  %tail.v22 = call <8 x float> @llvm.fma.v8f32(<8 x float> %tail.v17, <8 x float> %tail.v21, <8 x float> %tail.v16)
  %tail.v23 = fadd <8 x float> %tail.v22, splat (float 0x3ff0000000000000)
  %tail.v24 = bitcast <8 x float> %tail.v13 to <8 x i32>
  %tail.v25 = sub <8 x i32> %tail.v24, splat (i32 1262485504)
  %tail.v26 = ashr <8 x i32> %tail.v25, splat (i32 1)
  %tail.v27 = add <8 x i32> %tail.v26, splat (i32 127)
  %tail.v28 = shl <8 x i32> %tail.v27, splat (i32 23)
  %tail.v29 = bitcast <8 x i32> %tail.v28 to <8 x float>
  %tail.v30 = fmul <8 x float> %tail.v23, %tail.v29
  %tail.v31 = sub <8 x i32> %tail.v25, %tail.v26
  %tail.v32 = add <8 x i32> %tail.v31, splat (i32 127)
  %tail.v33 = shl <8 x i32> %tail.v32, splat (i32 23)
  %tail.v34 = bitcast <8 x i32> %tail.v33 to <8 x float>
  %tail.v35 = fmul <8 x float> %tail.v30, %tail.v34
  %tail.v36 = getelementptr float, ptr %o0, i64 %tail.1
  call void @llvm.masked.store.v8f32.p0(<8 x float> %tail.v35, ptr %tail.v36, i32 4, <8 x i1> %tail.v8)
  %tail.v37 = add i64 %tail.1, 8
  %tail.v38 = icmp slt i64 %tail.v37, %unit.v5
  br i1 %tail.v38, label %tail, label %tail_done
tail_done:
  %tail_done.v0 = add i64 %unit.1, 1
  %tail_done.v1 = icmp slt i64 %tail_done.v0, %entry.v11
  br i1 %tail_done.v1, label %unit, label %unit_done
}

declare <8 x float> @llvm.maximum.v8f32(<8 x float> %p1, <8 x float> %p2)

declare <8 x float> @llvm.minimum.v8f32(<8 x float> %p1, <8 x float> %p2)

declare <8 x float> @llvm.fma.v8f32(<8 x float> %p1, <8 x float> %p2, <8 x float> %p3)

declare <8 x float> @llvm.masked.load.v8f32.p0(ptr %p1, i32 %p2, <8 x i1> %p3, <8 x float> %p4)

declare void @llvm.masked.store.v8f32.p0(<8 x float> %p1, ptr %p2, i32 %p3, <8 x i1> %p4)
