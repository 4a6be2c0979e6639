// SPDX-License-Identifier: Apache-2.0
#include "find/extract/worker/kinds.hpp"

#include <algorithm>
#include <memory>

#include "find/extract/worker/decode.hpp"

#if MICE_HAVE_GMIME
#include <gmime/gmime.h>
#endif

namespace mice::find {

#if MICE_HAVE_GMIME
namespace {

struct unreferencing {
    void operator()(void* object) const { g_object_unref(object); }
};
template <class Object> using owned = std::unique_ptr<Object, unreferencing>;

std::string text_or_empty(const char* text) {
    return text == nullptr ? "" : text;
}

/// The numbers of lines at places that only grow.
class line_counter {
  public:
    explicit line_counter(std::string_view text) : text_(text) {}

    std::uint64_t at(gint64 place) {
        const auto end = static_cast<std::size_t>(
            std::clamp<gint64>(place, 0, static_cast<gint64>(text_.size())));
        if (end < place_)
            return 0;
        const auto* const begin = text_.data();
        line_ += static_cast<std::uint64_t>(std::count(begin + place_, begin + end, '\n'));
        place_ = end;
        return line_;
    }

  private:
    std::string_view text_;
    std::size_t place_ = 0;
    std::uint64_t line_ = 1;
};

/// Deeper parts are passed over.
constexpr unsigned deepest_part = 20;

/// Reads the messages of one file, one after the other.
class mail_reader {
  public:
    mail_reader(results& out, unsigned depth) : out_(out), depth_(depth) {}

    /// `headed`: the subject becomes a heading, as the file has more messages than this.
    void read(GMimeMessage* message, bool headed) {
        const std::string subject = text_or_empty(g_mime_message_get_subject(message));
        if (headed)
            out_.set_outer_heading(subject);
        else if (depth_ == 0)
            out_.set_title(subject);
        out_.set_lead(header_of(message, depth_ > 0 ? subject : ""));
        if (GMimeObject* const part = g_mime_message_get_mime_part(message); part != nullptr)
            read_part(part, 0);
        out_.end_lead();
        for (GMimeObject* const each : attachments_)
            read_attachment(each);
        attachments_.clear();
        out_.set_outer_heading("");
    }

  private:
    static std::string header_of(GMimeMessage* message, const std::string& subject) {
        std::string header;
        const auto add = [&header](const char* name, const std::string& value) {
            if (!value.empty())
                header += std::string(name) + ": " + value + '\n';
        };
        add("Subject", subject);
        add("From", addresses(g_mime_message_get_from(message)));
        add("To", addresses(g_mime_message_get_to(message)));
        add("Date", text_or_empty(g_mime_object_get_header(GMIME_OBJECT(message), "Date")));
        return header.empty() ? header : header + '\n';
    }

    static std::string addresses(InternetAddressList* list) {
        constexpr std::size_t most = 1000;
        if (list == nullptr)
            return {};
        char* const text = internet_address_list_to_string(list, nullptr, FALSE);
        const std::string result = text_or_empty(text).substr(0, most);
        g_free(text);
        return result;
    }

    void read_part(GMimeObject* part, unsigned depth) {
        if (depth > deepest_part) {
            out_.note("parts inside each other are left out");
        } else if (GMIME_IS_MULTIPART(part)) {
            read_parts(GMIME_MULTIPART(part), depth);
        } else if (is_body(part)) {
            read_body(GMIME_PART(part));
        } else {
            attachments_.push_back(part);
        }
    }

    void read_parts(GMimeMultipart* parts, unsigned depth) {
        const GMimeContentType* const type = g_mime_object_get_content_type(GMIME_OBJECT(parts));
        const int count = g_mime_multipart_get_count(parts);
        if (g_mime_content_type_is_type(const_cast<GMimeContentType*>(type), "multipart",
                                        "alternative")) {
            if (GMimeObject* const best = best_of(parts, count); best != nullptr)
                read_part(best, depth + 1);
            return;
        }
        for (int i = 0; i < count; ++i)
            read_part(g_mime_multipart_get_part(parts, i), depth + 1);
    }

    /// Plain text where there is some, else the last, which is the richest.
    static GMimeObject* best_of(GMimeMultipart* parts, int count) {
        for (int i = 0; i < count; ++i) {
            GMimeObject* const part = g_mime_multipart_get_part(parts, i);
            const bool plain =
                g_mime_content_type_is_type(g_mime_object_get_content_type(part), "text", "plain");
            if (plain && GMIME_IS_PART(part) &&
                content_of(GMIME_PART(part)).find_first_not_of(" \r\n\t") != std::string::npos)
                return part;
        }
        return count > 0 ? g_mime_multipart_get_part(parts, count - 1) : nullptr;
    }

    static bool is_body(GMimeObject* part) {
        GMimeContentType* const type = g_mime_object_get_content_type(part);
        GMimeContentDisposition* const place = g_mime_object_get_content_disposition(part);
        const bool attached = place != nullptr && g_mime_content_disposition_is_attachment(place);
        return GMIME_IS_PART(part) && !attached && !has_name(part) &&
               (g_mime_content_type_is_type(type, "text", "plain") ||
                g_mime_content_type_is_type(type, "text", "html"));
    }

    static bool has_name(GMimeObject* part) {
        return GMIME_IS_PART(part) && g_mime_part_get_filename(GMIME_PART(part)) != nullptr;
    }

    static std::string content_of(GMimePart* part) {
        GMimeDataWrapper* const content = g_mime_part_get_content(part);
        if (content == nullptr)
            return {};
        const owned<GMimeStream> stream(g_mime_stream_mem_new());
        g_mime_data_wrapper_write_to_stream(content, stream.get());
        const GByteArray* const bytes =
            g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream.get()));
        return {reinterpret_cast<const char*>(bytes->data), bytes->len};
    }

    void read_body(GMimePart* part) {
        GMimeContentType* const type = g_mime_object_get_content_type(GMIME_OBJECT(part));
        const std::string bytes = content_of(part);
        const std::string charset =
            text_or_empty(g_mime_content_type_get_parameter(type, "charset"));
        try {
            const std::string text = to_utf8(bytes, charset, out_);
            if (g_mime_content_type_is_type(type, "text", "html"))
                extract_html_text(text, out_, false);
            else
                out_.add({"", "", 0, 0, text});
        } catch (const extract_error& error) {
            out_.note(std::string("the text of a message: ") + error.what());
        }
    }

    void read_attachment(GMimeObject* part) {
        if (depth_ > 0) {
            out_.note("attachments inside another file are not opened");
            return;
        }
        if (++attachments_read_ > out_.limits().members) {
            out_.note("has more attachments than " + std::to_string(out_.limits().members));
            throw output_full{};
        }
        if (GMIME_IS_MESSAGE_PART(part)) {
            GMimeMessage* const inner = g_mime_message_part_get_message(GMIME_MESSAGE_PART(part));
            if (inner != nullptr)
                read_inner(inner);
        } else if (has_name(part)) { // those without a name are signatures and the like
            const std::string name = g_mime_part_get_filename(GMIME_PART(part));
            const std::string bytes = content_of(GMIME_PART(part));
            out_.count_unpacked(bytes.size());
            extract_member({bytes, name, depth_ + 1}, out_);
        }
    }

    void read_inner(GMimeMessage* message) {
        const std::string subject = text_or_empty(g_mime_message_get_subject(message));
        out_.set_member(subject.empty() ? "message" : subject);
        mail_reader(out_, depth_ + 1).read(message, false);
        out_.set_member("");
    }

    results& out_;
    unsigned depth_;
    std::vector<GMimeObject*> attachments_; ///< of the message that is being read
    std::uint32_t attachments_read_ = 0;
};

} // namespace

void extract_mail(const source& file, results& out) {
    const owned<GMimeStream> stream(
        g_mime_stream_mem_new_with_buffer(file.bytes.data(), file.bytes.size()));
    const owned<GMimeParser> parser(g_mime_parser_new_with_stream(stream.get()));
    const bool mailbox = file.bytes.starts_with("From ");
    g_mime_parser_set_format(parser.get(), mailbox ? GMIME_FORMAT_MBOX : GMIME_FORMAT_MESSAGE);
    mail_reader reader(out, file.depth);
    line_counter lines(file.bytes);
    std::size_t seen = 0;
    // The first of a mailbox is a mailbox's, too, even where it is the only one.
    while (seen == 0 || (mailbox && g_mime_parser_eos(parser.get()) == FALSE)) {
        const owned<GMimeMessage> message(g_mime_parser_construct_message(parser.get(), nullptr));
        if (message == nullptr)
            break;
        ++seen;
        if (mailbox && file.depth == 0)
            out.set_line(lines.at(g_mime_parser_get_mbox_marker_offset(parser.get())));
        reader.read(message.get(), mailbox);
    }
    if (seen == 0) {
        out.note("read as text, as it is no message");
        extract_text(file, out);
    }
}

void warm_up_mail() {
    g_mime_init();
    // Decodes a word once, so that the tables for it are there.
    char* const word = g_mime_utils_header_decode_text(nullptr, "=?iso-8859-1?q?=E9?=");
    g_free(word);
}
#else
void extract_mail(const source& file, results& out) {
    out.note("read as text: this program was built without gmime, which reads e-mail");
    extract_text(file, out);
}
void warm_up_mail() {}
#endif

} // namespace mice::find
