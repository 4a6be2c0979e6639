// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>

#include <mice/document.hpp>
#include <mice/highlights.hpp>
#include <mice/passages.hpp>

// Texts and lists of Python as the library takes them.
namespace mice_python {

namespace nb = nanobind;

/// An argument of any kind, None included: what takes it says what is wrong with it.
inline auto any(const char* name) {
    return nb::arg(name).none();
}

/// "documents[3] is of type float, not str or bytes" as a TypeError.
[[noreturn]] inline void refuse(const std::string& name, nb::handle given, const char* wanted) {
    const std::string type = nb::cast<std::string>(nb::handle(given.type()).attr("__name__"));
    throw nb::type_error((name + " is of type " + type + ", not " + wanted).c_str());
}

/// A text: a str, or bytes of UTF-8. Valid while this and the Python object live. Lone surrogates
/// of a str become bytes that are not UTF-8, which the library replaces or refuses, one by one.
class text {
  public:
    text(nb::handle given, const std::string& name) {
        char* bytes = nullptr;
        Py_ssize_t size = 0;
        if (PyBytes_Check(given.ptr())) {
            if (PyBytes_AsStringAndSize(given.ptr(), &bytes, &size) != 0) {
                throw nb::python_error();
            }
            view_ = {bytes, static_cast<std::size_t>(size)};
            return;
        }
        if (!PyUnicode_Check(given.ptr())) {
            refuse(name, given, "str or bytes");
        }
        const char* utf8 = PyUnicode_AsUTF8AndSize(given.ptr(), &size);
        if (utf8 == nullptr) {
            PyErr_Clear(); // also for want of memory, of which the next call tells
            size = repair(given);
            utf8 = repaired_->data();
        }
        view_ = {utf8, static_cast<std::size_t>(size)};
        counts_characters_ = PyUnicode_GetLength(given.ptr()) != size;
    }

    [[nodiscard]] std::string_view view() const noexcept { return view_; }

    /// Turns places in bytes into places in the Python object: in characters of a str, in bytes of
    /// bytes. What it passes over on the way to the next place is all that it counts.
    class places {
      public:
        explicit places(const text& of) noexcept : of_(of) {}
        template <class Integer> void turn(Integer& place) noexcept {
            if (!of_.counts_characters_) {
                return;
            }
            const auto wanted = static_cast<std::size_t>(place);
            const std::string_view bytes = of_.view_;
            character_ = wanted >= byte_
                             ? character_ + characters(bytes.substr(byte_, wanted - byte_))
                             : character_ - characters(bytes.substr(wanted, byte_ - wanted));
            byte_ = wanted;
            place = static_cast<Integer>(character_);
        }

      private:
        const text& of_;
        std::size_t byte_ = 0, character_ = 0;
    };

    void place(mice::highlights& found) const noexcept {
        places here(*this);
        for (mice::highlight& sentence : found.sentences) {
            here.turn(sentence.begin);
            here.turn(sentence.end);
            for (mice::highlighted_word& word : sentence.words) {
                here.turn(word.begin);
                here.turn(word.end);
            }
        }
    }
    /// Of passages, sentences and their like.
    template <class Found> void place(std::vector<Found>& found) const noexcept {
        places here(*this);
        for (Found& each : found) {
            here.turn(each.begin);
            here.turn(each.end);
        }
    }

  private:
    /// Lone surrogates become a byte each that is in no UTF-8. Returns the size.
    Py_ssize_t repair(nb::handle given) {
        const nb::object encoded =
            nb::steal(PyUnicode_AsEncodedString(given.ptr(), "utf-8", "surrogatepass"));
        char* bytes = nullptr;
        Py_ssize_t size = 0;
        if (!encoded.is_valid() || PyBytes_AsStringAndSize(encoded.ptr(), &bytes, &size) != 0) {
            throw nb::python_error();
        }
        const std::string_view all(bytes, static_cast<std::size_t>(size));
        repaired_ = std::make_unique<std::string>();
        repaired_->reserve(all.size());
        for (std::size_t i = 0; i < all.size(); ++i) {
            const bool lone = all[i] == '\xED' && i + 2 < all.size() &&
                              static_cast<unsigned char>(all[i + 1]) >= 0xA0U;
            *repaired_ += lone ? '\xFF' : all[i];
            i += lone ? 2 : 0;
        }
        return static_cast<Py_ssize_t>(repaired_->size());
    }
    static std::size_t characters(std::string_view bytes) noexcept {
        return static_cast<std::size_t>(std::count_if(bytes.begin(), bytes.end(), [](char c) {
            return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
        }));
    }

    std::string_view view_;
    std::unique_ptr<std::string> repaired_; // where the object's own bytes cannot be used
    bool counts_characters_ = false;
};

/// The elements of a sequence or iterable, which live as long as this.
class elements {
  public:
    elements(nb::handle given, const std::string& name) {
        if (PyUnicode_Check(given.ptr()) || PyBytes_Check(given.ptr())) {
            refuse(name, given, "a list");
        }
        all_ = nb::steal(PySequence_Tuple(given.ptr()));
        if (!all_.is_valid()) {
            if (PyErr_ExceptionMatches(PyExc_TypeError) != 0) {
                PyErr_Clear();
                refuse(name, given, "a list");
            }
            throw nb::python_error();
        }
        size_ = static_cast<std::size_t>(PyTuple_Size(all_.ptr()));
    }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] nb::handle operator[](std::size_t i) const noexcept {
        return PyTuple_GetItem(all_.ptr(), static_cast<Py_ssize_t>(i));
    }

  private:
    nb::object all_;
    std::size_t size_ = 0;
};

inline std::string place_name(const char* name, std::size_t i) {
    return std::string(name) + "[" + std::to_string(i) + "]";
}

/// A list of texts.
class texts {
  public:
    texts(nb::handle given, const char* name) : texts(elements(given, name), name) {}
    texts(elements given, const char* name) : given_(std::move(given)) {
        all_.reserve(given_.size());
        views_.reserve(given_.size());
        for (std::size_t i = 0; i < given_.size(); ++i) {
            const nb::handle each = given_[i];
            const bool fits = PyUnicode_Check(each.ptr()) || PyBytes_Check(each.ptr());
            all_.emplace_back(each, fits ? std::string() : place_name(name, i));
            views_.push_back(all_.back().view());
        }
    }
    [[nodiscard]] std::size_t size() const noexcept { return views_.size(); }
    [[nodiscard]] const std::vector<std::string_view>& views() const noexcept { return views_; }
    [[nodiscard]] const text& operator[](std::size_t i) const noexcept { return all_[i]; }

  private:
    elements given_;
    std::vector<text> all_;
    std::vector<std::string_view> views_;
};

/// Whether a list of documents is one of encoded documents; an empty one is not.
[[nodiscard]] inline bool holds_documents(const elements& given) {
    return given.size() > 0 && nb::isinstance<mice::document>(given[0]);
}

/// A list of encoded documents, which live as long as `given`.
[[nodiscard]] inline std::vector<const mice::document*> documents_of(const elements& given,
                                                                     const char* name) {
    std::vector<const mice::document*> all;
    all.reserve(given.size());
    for (std::size_t i = 0; i < given.size(); ++i) {
        const mice::document* each = nullptr;
        if (!nb::try_cast(given[i], each, false) || each == nullptr) {
            refuse(place_name(name, i), given[i], "a Document, as the first one is");
        }
        all.push_back(each);
    }
    return all;
}

inline nb::bytes bytes_of(std::string_view bytes) {
    return nb::bytes(bytes.data(), bytes.size());
}

} // namespace mice_python
