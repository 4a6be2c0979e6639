// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include <mice/config.hpp>

#if defined(_MSC_VER) && defined(_M_X64)
#include <xmmintrin.h>
#elif !(defined(__GNUC__) && (defined(__SSE__) || defined(__aarch64__)))
#include <cfenv>
#endif

// The host chooses how a thread computes with floats: its rounding mode, traps, subnormals that
// become zero. Scores must not depend on it, and the host must find its choice unchanged.
MICE_NAMESPACE_BEGIN
namespace detail {

#if defined(_MSC_VER) && defined(_M_X64)

/// The registers that say how the calling thread computes, and its exception flags.
class float_registers {
  public:
    float_registers() noexcept : vector_(_mm_getcsr()) {}
    /// Rounds to nearest, with subnormals and without traps.
    void make_default() const noexcept {
        if ((vector_ & ~0x3FU) != 0x1F80U) {
            _mm_setcsr(0x1F80U);
        }
    }
    /// Puts the registers back as they were when this was constructed.
    void restore() const noexcept {
        if (_mm_getcsr() != vector_) {
            _mm_setcsr(vector_);
        }
    }

  private:
    unsigned int vector_;
};

#elif defined(__GNUC__) && defined(__SSE__)

/// As above. The x87 unit is included because libraries such as strtod ask it for the rounding
/// mode, although none of its instructions computes anything.
class float_registers {
  public:
    float_registers() noexcept {
        asm volatile("stmxcsr %0\n\tfnstcw %1\n\tfnstsw %2"
                     : "=m"(vector_), "=m"(control_), "=m"(status_)
                     :
                     : "memory");
    }
    void make_default() const noexcept {
        constexpr std::uint32_t flags = 0x3F;
        constexpr std::uint32_t masked_to_nearest = 0x1F80;
        if ((vector_ & ~flags) != masked_to_nearest) {
            set_vector(masked_to_nearest);
        }
        constexpr std::uint16_t used = 0x0F3F;
        constexpr std::uint16_t masked_extended = 0x037F;
        if ((control_ & used) != (masked_extended & used)) {
            set_x87(masked_extended, 0);
        }
    }
    void restore() const noexcept {
        const float_registers now;
        if (now.vector_ != vector_) {
            set_vector(vector_);
        }
        if (now.control_ != control_ || ((now.status_ ^ status_) & status_flags) != 0) {
            set_x87(control_, status_);
        }
    }

  private:
    static constexpr std::uint16_t status_flags = 0x80FF; // the rest is the stack and comparisons

    static void set_vector(std::uint32_t value) noexcept {
        asm volatile("ldmxcsr %0" : : "m"(value) : "memory");
    }
    /// Never traps: the instruction that stores the unit's environment masks all traps, and flags
    /// are loaded together with their masks.
    static void set_x87(std::uint16_t control, std::uint16_t flags) noexcept {
        struct {
            std::uint16_t control, unused_1, status, unused_2;
            std::uint32_t rest[5];
        } unit;
        asm volatile("fnstenv %0" : "=m"(unit) : : "memory");
        unit.control = control;
        unit.status =
            static_cast<std::uint16_t>((unit.status & ~status_flags) | (flags & status_flags));
        asm volatile("fldenv %0" : : "m"(unit) : "memory");
    }

    std::uint32_t vector_;
    std::uint16_t control_, status_;
};

#elif defined(__GNUC__) && defined(__aarch64__)

/// As above.
class float_registers {
  public:
    float_registers() noexcept {
        asm volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(control_), "=r"(status_) : : "memory");
    }
    void make_default() const noexcept {
        if (control_ != 0) {
            set_control(0);
        }
    }
    void restore() const noexcept {
        const float_registers now;
        if (now.control_ != control_) {
            set_control(control_);
        }
        if (now.status_ != status_) {
            asm volatile("msr fpsr, %0" : : "r"(status_) : "memory");
        }
    }

  private:
    static void set_control(std::uint64_t value) noexcept {
        asm volatile("msr fpcr, %0" : : "r"(value) : "memory");
    }

    std::uint64_t control_, status_;
};

#else

/// As above, with the means of the C++ standard.
class float_registers {
  public:
    float_registers() noexcept { (void)std::fegetenv(&environment_); }
    void make_default() const noexcept { (void)std::fesetenv(FE_DFL_ENV); }
    void restore() const noexcept { (void)std::fesetenv(&environment_); }

  private:
    std::fenv_t environment_{};
};

#endif

/// While this lives, the calling thread computes in the default mode. Then mode and exception flags
/// are the host's again. It costs a few instructions where the mode is the default already, and
/// must end on the thread where it began.
class default_float_mode {
  public:
    default_float_mode() noexcept { host_.make_default(); }
    default_float_mode(const default_float_mode&) = delete;
    default_float_mode& operator=(const default_float_mode&) = delete;
    ~default_float_mode() { host_.restore(); }

  private:
    float_registers host_;
};

/// work() in the default mode; returns and throws what it does. Wherever work begins on a thread,
/// in the calls of an app and in the tasks of a loop, it begins here.
template <class Work> decltype(auto) in_default_float_mode(Work&& work) {
    using work_type = std::remove_reference_t<Work>;
    using result = std::invoke_result_t<work_type&>;
    // The compiler believes that arithmetic does not depend on the mode and may move it across the
    // change. It moves nothing across a call of a function that it cannot know.
    result (*volatile unknown)(work_type&) = [](work_type& known) -> result { return known(); };
    const default_float_mode mode;
    return unknown(work);
}

} // namespace detail
MICE_NAMESPACE_END
