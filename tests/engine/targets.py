"""Instruction sets as values, whatever this machine can run: for what is only planned, or emitted."""

from __future__ import annotations

from dataclasses import replace

from simplecell.engine.target import Target

X86_64 = Target("x86-64", 4, 16, False, "x86-64", "", "x86_64-unknown-linux-gnu")
AVX2 = replace(X86_64, name="avx2", lanes=8, fma=True, cpu="x86-64-v3")
AVX512 = replace(AVX2, name="avx512", lanes=16, registers=32, cpu="x86-64-v4")
NEON = Target("neon", 4, 32, True, "cortex-a76", "+neon,+fullfp16", "aarch64-unknown-linux-gnu")
