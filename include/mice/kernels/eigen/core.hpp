// SPDX-License-Identifier: Apache-2.0
#pragma once

// Eigen's warnings are meant for its own authors.
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
#include <Eigen/Core>
#elif __has_include(<eigen3/Eigen/Core>) // where packages put it, without a flag of the compiler
#include <eigen3/Eigen/Core>
#else
#error                                                                                             \
    "mice: for this processor, or as MICE_USE_EIGEN_KERNELS asks, mice computes with Eigen (3.4, \
libeigen3-dev), which is not found. Name its folder with -I"
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
