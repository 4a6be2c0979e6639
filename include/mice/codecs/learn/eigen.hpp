// SPDX-License-Identifier: Apache-2.0
#pragma once

// The only include of Eigen in what apps compile. Their warnings are meant for their own code.
#if defined(__GNUC__)
#pragma GCC system_header
#endif
// GCC 12 warns all the same of the deliberately undefined registers inside its AVX-512 intrinsics.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#if __has_include(<Eigen/Core>)
#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <Eigen/Eigenvalues>
#elif __has_include(<eigen3/Eigen/Core>) // where packages put it, without a flag of the compiler
#include <eigen3/Eigen/Cholesky>
#include <eigen3/Eigen/Core>
#include <eigen3/Eigen/Eigenvalues>
#else
#error                                                                                             \
    "mice: an index learns codecs with Eigen (3.4, libeigen3-dev), which is not found. Name its \
folder with -I; <mice/reranker.hpp> does without"
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#if !EIGEN_VERSION_AT_LEAST(3, 4, 0)
#error "mice: this Eigen is too old; 3.4 or newer is needed"
#endif
