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
  %unit.1 = phi i64 [%entry.v8, %entry], [%inner_done.v0, %inner_done]
  %unit.v0 = phi i64 [%entry.v8, %entry], [%unit.v1, %inner_done]
  %unit.v1 = add i64 %unit.v0, 1
  %unit.v2 = mul i64 %unit.v0, %chunk
  %unit.v3 = add i64 %unit.v2, %chunk
  %unit.v4 = icmp slt i64 %unit.v3, %n
  %unit.v5 = select i1 %unit.v4, i64 %unit.v3, i64 %n
  %unit.v6 = icmp slt i64 %unit.v2, %unit.v5
  br i1 %unit.v6, label %inner, label %inner_done
unit_done:
  %unit_done.v0 = phi i64 [%entry.v8, %entry], [%unit.v1, %inner_done]
  ret void
inner:
  %inner.1 = phi i64 [%unit.v2, %unit], [%inner.v27, %inner]
  %inner.v0 = sub i64 %unit.v5, %inner.1
  %inner.v1 = icmp sgt i64 %inner.v0, 0
  %inner.v2 = select i1 %inner.v1, i64 %inner.v0, i64 0
  %inner.v3 = icmp slt i64 %inner.v2, 16
  %inner.v4 = select i1 %inner.v3, i64 %inner.v2, i64 16
  %inner.v5 = trunc i64 %inner.v4 to i32
  %inner.v6 = insertelement <16 x i32> splat (i32 undef), i32 %inner.v5, i32 0
  %inner.v7 = shufflevector <16 x i32> %inner.v6, <16 x i32> splat (i32 undef), <16 x i32> splat (i32 0)
  %inner.v8 = icmp ult <16 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>, %inner.v7
  %inner.v9 = getelementptr float, ptr %i0, i64 %inner.1
  %inner.v10 = call <16 x float> @llvm.masked.load.v16f32.p0(ptr %inner.v9, i32 4, <16 x i1> %inner.v8, <16 x float> splat (float 0.0))
  %inner.v11 = call nsz <16 x float> @llvm.maximum.v16f32(<16 x float> %inner.v10, <16 x float> splat (float 0xc05a000000000000))
  %inner.v12 = call nsz <16 x float> @llvm.minimum.v16f32(<16 x float> %inner.v11, <16 x float> splat (float 0x4056400000000000))
  %inner.v13 = call <16 x float> @llvm.fma.v16f32(<16 x float> %inner.v12, <16 x float> splat (float 0x3ff7154760000000), <16 x float> splat (float 0x4168000000000000))
  %inner.v14 = fsub <16 x float> %inner.v13, splat (float 0x4168000000000000)
  %inner.v15 = call <16 x float> @llvm.fma.v16f32(<16 x float> %inner.v14, <16 x float> splat (float 0xbfe6300000000000), <16 x float> %inner.v12)
  %inner.v16 = call <16 x float> @llvm.fma.v16f32(<16 x float> %inner.v14, <16 x float> splat (float 0x3f2bd01060000000), <16 x float> %inner.v15)
  %inner.v17 = fmul <16 x float> %inner.v16, %inner.v16
  %inner.v18 = call <16 x float> @llvm.fma.v16f32(<16 x float> splat (float 0x3f56afe400000000), <16 x float> %inner.v16, <16 x float> splat (float 0x3f81244940000000))
  %inner.v19 = call <16 x float> @llvm.fma.v16f32(<16 x float> %inner.v18, <16 x float> %inner.v16, <16 x float> splat (float 0x3fa5558260000000))
  %inner.v20 = call <16 x float> @llvm.fma.v16f32(<16 x float> %inner.v19, <16 x float> %inner.v16, <16 x float> splat (float 0x3fc5554820000000))
  %inner.v21 = call <16 x float> @llvm.fma.v16f32(<16 x float> %inner.v20, <16 x float> %inner.v16, <16 x float> splat (float 0x3fdfffffc0000000))
  %inner.v22 = call <16 x float> @llvm.fma.v16f32(<16 x float> %inner.v17, <16 x float> %inner.v21, <16 x float> %inner.v16)
  %inner.v23 = fadd <16 x float> %inner.v22, splat (float 0x3ff0000000000000)
  %inner.v24 = fsub <16 x float> %inner.v13, splat (float 0x4168000000000000)
  %inner.v25 = call <16 x float> @llvm.x86.avx512.mask.scalef.ps.512(<16 x float> %inner.v23, <16 x float> %inner.v24, <16 x float> %inner.v23, i16 -1, i32 4)
  %inner.v26 = getelementptr float, ptr %o0, i64 %inner.1
  call void @llvm.masked.store.v16f32.p0(<16 x float> %inner.v25, ptr %inner.v26, i32 4, <16 x i1> %inner.v8)
  %inner.v27 = add i64 %inner.1, 16
  %inner.v28 = icmp slt i64 %inner.v27, %unit.v5
  br i1 %inner.v28, label %inner, label %inner_done
inner_done:
  %inner_done.v0 = add i64 %unit.1, 1
  %inner_done.v1 = icmp slt i64 %inner_done.v0, %entry.v11
  br i1 %inner_done.v1, label %unit, label %unit_done
}

declare <16 x float> @llvm.masked.load.v16f32.p0(ptr %p1, i32 %p2, <16 x i1> %p3, <16 x float> %p4)

declare <16 x float> @llvm.maximum.v16f32(<16 x float> %p1, <16 x float> %p2)

declare <16 x float> @llvm.minimum.v16f32(<16 x float> %p1, <16 x float> %p2)

declare <16 x float> @llvm.fma.v16f32(<16 x float> %p1, <16 x float> %p2, <16 x float> %p3)

declare <16 x float> @llvm.x86.avx512.mask.scalef.ps.512(<16 x float> %p1, <16 x float> %p2, <16 x float> %p3, i16 %p4, i32 %entry.v0)

declare void @llvm.masked.store.v16f32.p0(<16 x float> %p1, ptr %p2, i32 %p3, <16 x i1> %p4)
