// SPDX-License-Identifier: Apache-2.0
// What codecs learn: the only part that needs Eigen.
#include <mice/codecs/learn/train_quantiser_impl.hpp>
