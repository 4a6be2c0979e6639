// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mice/version.hpp>

#if !defined(__cpp_exceptions) && !defined(_CPPUNWIND)
#error "mice reports errors as exceptions (mice::error): compile without -fno-exceptions"
#endif

/// 1 under the address and the thread sanitizer, which compilers tell of; an app that is compiled
/// with another one alone (-fsanitize=undefined) may define it. The register tiles of the matrix
/// product are then written without calls and left out: with a check in every step they took
/// minutes to compile and a hundred times as long to run. What packs and sizes their operands is
/// checked as everything else.
#ifndef MICE_INSTRUMENTED
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MICE_INSTRUMENTED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(undefined_behavior_sanitizer)
#define MICE_INSTRUMENTED 1
#endif
#endif
#endif
#ifndef MICE_INSTRUMENTED
#define MICE_INSTRUMENTED 0
#endif

#if MICE_INSTRUMENTED && defined(__GNUC__)
#define MICE_UNCHECKED __attribute__((no_sanitize("address", "thread", "undefined")))
#else
#define MICE_UNCHECKED
#endif

#if defined(_MSC_VER) && !defined(__clang__)
#define MICE_ALWAYS_INLINE __forceinline
#define MICE_INLINE_LAMBDA
#define MICE_NOINLINE __declspec(noinline)
#define MICE_FLATTEN
#else
#define MICE_ALWAYS_INLINE MICE_UNCHECKED inline __attribute__((always_inline))
#define MICE_INLINE_LAMBDA MICE_UNCHECKED __attribute__((always_inline))
#define MICE_NOINLINE __attribute__((noinline))
/// Everything that the function calls is inlined into it.
#define MICE_FLATTEN __attribute__((flatten))
#endif

/// 1 in the compiled form: bodies lie in the library mice::compiled, which CMake's target of that
/// name says, and the headers declare them. 0: the headers hold everything.
#ifndef MICE_COMPILED
#define MICE_COMPILED 0
#endif
#if MICE_COMPILED
#define MICE_INLINE
#undef MICE_USE_DISPATCH
#define MICE_USE_DISPATCH 1
#else
#define MICE_INLINE inline
#endif

/// 1 when the kernels come from the library mice::dispatch, which picks them at run time; 0 when
/// they are those that the compiler's flags allow.
#ifndef MICE_USE_DISPATCH
#define MICE_USE_DISPATCH 0
#endif

/// 1 where the shapes of matrices are checked as they are used: in builds without NDEBUG, unless an
/// app defines it. It guards against mistakes in the engine; input is checked in every build.
#ifndef MICE_CHECK_SHAPES
#ifdef NDEBUG
#define MICE_CHECK_SHAPES 0
#else
#define MICE_CHECK_SHAPES 1
#endif
#endif

// Two translation units built with different instruction sets would otherwise share one inline
// kernel, whichever the linker meets first. The inline namespace keeps them apart.
#if MICE_COMPILED
#define MICE_SIMD_NAME compiled
#elif MICE_USE_DISPATCH
#define MICE_SIMD_NAME dispatch
#elif defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) &&                    \
    defined(__AVX512CD__)
#if defined(__AVX512VNNI__) && defined(__AVX512BF16__)
#define MICE_SIMD_NAME avx512_vnni_bf16
#elif defined(__AVX512VNNI__)
#define MICE_SIMD_NAME avx512_vnni
#else
#define MICE_SIMD_NAME avx512
#endif
#elif defined(__AVX2__) && defined(__FMA__)
#if defined(__AVXVNNI__)
#define MICE_SIMD_NAME avx2_vnni
#else
#define MICE_SIMD_NAME avx2
#endif
#elif defined(__AVX__)
#define MICE_SIMD_NAME avx
#elif defined(__SSE4_1__)
#define MICE_SIMD_NAME sse4
#elif defined(__SSE2__) || defined(_M_X64)
#define MICE_SIMD_NAME sse2
#elif defined(__ARM_NEON) || defined(_M_ARM64)
#define MICE_SIMD_NAME neon
#else
#define MICE_SIMD_NAME generic
#ifndef MICE_USE_EIGEN_KERNELS
#define MICE_USE_EIGEN_KERNELS 1
#endif
#endif

/// 1 when the kernels of headers alone are those in Eigen (kernels/eigen/), which run on any
/// processor: where a program asks for them, or xsimd is not known to have instructions for its
/// processor. 0: those in xsimd. Has to be the same in all of a program's files.
#ifndef MICE_USE_EIGEN_KERNELS
#define MICE_USE_EIGEN_KERNELS 0
#endif

#if MICE_USE_EIGEN_KERNELS && !MICE_USE_DISPATCH
#define MICE_KERNELS_NAME _eigen
#else
#define MICE_KERNELS_NAME
#endif

/// 1 when parallel loops run on OpenMP, 0 when they run on std::thread.
#ifndef MICE_USE_OPENMP
#ifdef _OPENMP
#define MICE_USE_OPENMP 1
#else
#define MICE_USE_OPENMP 0
#endif
#endif

#if MICE_COMPILED
#define MICE_THREADS_NAME // what the library was compiled with
#elif MICE_USE_OPENMP
#define MICE_THREADS_NAME _omp
#else
#define MICE_THREADS_NAME _thr
#endif

/// 1 when the address sanitizer watches the program.
#if defined(__SANITIZE_ADDRESS__)
#define MICE_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MICE_ADDRESS_SANITIZER 1
#endif
#endif
#ifndef MICE_ADDRESS_SANITIZER
#define MICE_ADDRESS_SANITIZER 0
#endif

/// 1 when the program links the sentencepiece library and so reads models with its tokenizers.
#ifndef MICE_USE_SENTENCEPIECE
#define MICE_USE_SENTENCEPIECE 0
#endif

#if MICE_USE_SENTENCEPIECE && !MICE_COMPILED
#define MICE_ADAPTERS_NAME _spm
#else
#define MICE_ADAPTERS_NAME
#endif

#define MICE_CONCAT_EXPANDED(major, minor, simd, kernels, threads, adapters)                       \
    v##major##_##minor##_##simd##kernels##threads##adapters
#define MICE_CONCAT(major, minor, simd, kernels, threads, adapters)                                \
    MICE_CONCAT_EXPANDED(major, minor, simd, kernels, threads, adapters)
#define MICE_ABI_NAMESPACE                                                                         \
    MICE_CONCAT(MICE_VERSION_MAJOR, MICE_VERSION_MINOR, MICE_SIMD_NAME, MICE_KERNELS_NAME,         \
                MICE_THREADS_NAME, MICE_ADAPTERS_NAME)

#define MICE_TEXT_EXPANDED(name) #name
#define MICE_TEXT(name) MICE_TEXT_EXPANDED(name)
/// The instruction set as text.
#define MICE_SIMD_TEXT MICE_TEXT(MICE_SIMD_NAME)

#define MICE_SHARED_EXPANDED(major, minor) shared_v##major##_##minor
#define MICE_SHARED(major, minor) MICE_SHARED_EXPANDED(major, minor)
/// A namespace for the types that mean the same under all flags.
#define MICE_SHARED_NAMESPACE MICE_SHARED(MICE_VERSION_MAJOR, MICE_VERSION_MINOR)

/// Opens namespace mice and the inline namespace that carries version, SIMD level, kernels in
/// Eigen, threading and linked libraries.
#define MICE_NAMESPACE_BEGIN                                                                       \
    namespace mice {                                                                               \
    inline namespace MICE_ABI_NAMESPACE {
/// Closes what MICE_NAMESPACE_BEGIN opened.
#define MICE_NAMESPACE_END                                                                         \
    }                                                                                              \
    }
