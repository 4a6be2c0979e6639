// SPDX-License-Identifier: Apache-2.0
#include "common/json_records.hpp"

#include <mice/error.hpp>

#include "common/trimmed.hpp"

namespace mice::tools {
namespace {

constexpr std::string_view json_spaces = " \t\n\r";

/// Follows the nesting of a JSON value, byte by byte, and ignores everything else.
class nesting {
  public:
    /// Whether the value goes on behind this byte.
    bool inside_after(char byte) {
        if (in_text_) {
            in_text_ = escaped_ || byte != '"';
            escaped_ = !escaped_ && byte == '\\';
        } else if (byte == '"') {
            in_text_ = true;
        } else if (byte == '{' || byte == '[') {
            ++depth_;
        } else if ((byte == '}' || byte == ']') && depth_ > 0) {
            --depth_;
        }
        return in_text_ || depth_ > 0;
    }
    [[nodiscard]] bool inside() const { return in_text_ || depth_ > 0; }

  private:
    std::size_t depth_ = 0;
    bool in_text_ = false;
    bool escaped_ = false;
};

} // namespace

bool starts_json(std::string_view line) {
    line = trimmed(line);
    if (line.starts_with('{')) {
        return true;
    }
    if (!line.starts_with('[')) {
        return false;
    }
    const std::string_view rest = trimmed(line.substr(1));
    return rest.empty() || rest.front() == '{' || rest.front() == '"' || rest == "]";
}

void json_reader::fail(std::string_view what) const {
    throw error(errc::format, input_.place() + ": the JSON array " + std::string(what) +
                                  "; repair it, or give JSON Lines");
}

void json_reader::recognise() {
    const std::string* const first = input_.peek_filled();
    if (first == nullptr) {
        form_ = form::ended;
    } else if (!trimmed(*first).starts_with('[')) {
        form_ = form::lines;
    } else {
        form_ = form::array;
        (void)input_.next(line_);
        at_ = line_.find('[') + 1;
    }
}

bool json_reader::next(std::string& record) {
    if (form_ == form::unknown) {
        recognise();
    }
    switch (form_) {
    case form::lines:
        return input_.next_filled(record);
    case form::array:
        return next_element(record);
    default:
        return false;
    }
}

bool json_reader::next_line() {
    at_ = 0;
    return input_.next(line_);
}

/// Peeks at the next byte that is not white space; 0 at the end.
char json_reader::next_mark() {
    while ((at_ = line_.find_first_not_of(json_spaces, at_)) == std::string::npos) {
        if (!next_line()) {
            line_.clear();
            at_ = 0;
            return '\0';
        }
    }
    return line_[at_];
}

/// Steps to the next element; false behind the last one.
bool json_reader::begin_element() {
    char mark = next_mark();
    if (mark == ']') {
        ++at_;
        if (next_mark() != '\0') {
            fail("is followed by something else");
        }
        form_ = form::ended;
        return false;
    }
    if (count_ > 0 && mark == ',') {
        ++at_;
        mark = next_mark();
    } else if (count_ > 0 && mark != '\0') {
        fail("lacks a comma between two elements");
    }
    if (mark == '\0') {
        fail("has no end: the file was cut off");
    }
    if (mark == ',' || mark == ']' || mark == '}' || mark == ':') {
        fail("lacks an element beside a comma");
    }
    return true;
}

/// Takes the text from here to the end of the element.
void json_reader::read_element(std::string& element) {
    nesting depth;
    element.clear();
    while (true) {
        const std::size_t start = at_;
        for (; at_ < line_.size(); ++at_) {
            const char byte = line_[at_];
            if (!depth.inside() &&
                (byte == ',' || byte == ']' || json_spaces.find(byte) != std::string_view::npos)) {
                element.append(line_, start, at_ - start);
                return;
            }
            if (!depth.inside_after(byte) && (byte == '}' || byte == ']' || byte == '"')) {
                ++at_;
                element.append(line_, start, at_ - start);
                return;
            }
        }
        element.append(line_, start);
        if (!depth.inside()) {
            return; // a number or a name at the line's end
        }
        element += '\n';
        if (element.size() > longest_record) {
            fail("has an element of more than 256 MiB");
        }
        if (!next_line()) {
            fail("has no end: the file was cut off");
        }
    }
}

bool json_reader::next_element(std::string& element) {
    if (!begin_element()) {
        return false;
    }
    ++count_;
    place_ = input_.place() + " (element " + std::to_string(count_) + ")";
    read_element(element);
    return true;
}

bool json_reader::ready() {
    if (form_ == form::array) {
        return line_.find_first_not_of(json_spaces, at_) != std::string::npos || input_.ready();
    }
    return input_.ready();
}

std::size_t json_reader::number() const {
    return form_ == form::lines ? input_.number() : count_;
}

std::string json_reader::place() const {
    return form_ == form::lines ? input_.place() : place_;
}

} // namespace mice::tools
