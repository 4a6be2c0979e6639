// SPDX-License-Identifier: Apache-2.0
#include "common/svg.hpp"

#include <cmath>
#include <cstddef>
#include <cstdio>

#include <mice/error.hpp>
#include <mice/text/unicode/unicode.hpp>

#include "common/terminal.hpp"

namespace mice::tools {
namespace {

std::string number(double value) {
    if (!std::isfinite(value) || std::abs(value) > 1e6) {
        throw detail::errors::bad_argument(
            "a coordinate of a picture must be a number below a million");
    }
    char text[32];
    std::snprintf(text, sizeof text, "%.2f", value);
    return text;
}

std::string attribute(std::string_view name, const std::string& value) {
    return " " + std::string(name) + "=\"" + value + "\"";
}

std::string attributes(const svg_paint& paint) {
    std::string result =
        attribute("fill", xml_text(paint.fill)) + attribute("stroke", xml_text(paint.stroke));
    if (paint.stroke != "none") {
        result += attribute("stroke-width", number(paint.width));
    }
    if (!paint.dash.empty()) {
        result += attribute("stroke-dasharray", xml_text(paint.dash));
    }
    if (paint.opacity != 1) {
        result += attribute("opacity", number(paint.opacity));
    }
    return result;
}

/// The end of a shape's element, with its tooltip inside.
std::string end_of(std::string_view name, const svg_paint& paint) {
    return paint.tooltip.empty()
               ? "/>\n"
               : "><title>" + xml_text(paint.tooltip) + "</title></" + std::string(name) + ">\n";
}

std::string_view name_of(svg_anchor anchor) {
    switch (anchor) {
    case svg_anchor::middle:
        return "middle";
    case svg_anchor::end:
        return "end";
    default:
        return "start";
    }
}

/// The characters that XML 1.0 allows.
bool is_xml(char32_t code) {
    return code == 0x9 || code == 0xA || code == 0xD || (code >= 0x20 && code <= 0xD7FF) ||
           (code >= 0xE000 && code <= 0xFFFD) || (code >= 0x10000 && code <= 0x10FFFF);
}

} // namespace

std::string xml_text(std::string_view text) {
    std::string result;
    for (std::size_t position = 0; position < text.size();) {
        const text::decoded next = text::decode_utf8(text, position);
        position += next.bytes;
        switch (next.code) {
        case U'&':
            result += "&amp;";
            break;
        case U'<':
            result += "&lt;";
            break;
        case U'>':
            result += "&gt;";
            break;
        case U'"':
            result += "&quot;";
            break;
        case U'\'':
            result += "&#39;";
            break;
        default:
            text::append_utf8(result, is_xml(next.code) ? next.code : char32_t{0xFFFD});
        }
    }
    return result;
}

svg::svg(double width, double height, std::string_view title)
    : body_("<svg xmlns=\"http://www.w3.org/2000/svg\"" + attribute("width", number(width)) +
            attribute("height", number(height)) +
            attribute("viewBox", "0 0 " + number(width) + " " + number(height)) +
            " font-family=\"sans-serif\" role=\"img\">\n<title>" + xml_text(title) + "</title>\n") {
    rect({0, 0, width, height}, {.fill = "#ffffff"}); // on a dark page the text would be invisible
}

void svg::rect(const svg_box& box, const svg_paint& paint) {
    body_ += "<rect" + attribute("x", number(box.x)) + attribute("y", number(box.y)) +
             attribute("width", number(box.width)) + attribute("height", number(box.height)) +
             attributes(paint) + end_of("rect", paint);
}

void svg::line(svg_point from, svg_point to, const svg_paint& paint) {
    body_ += "<line" + attribute("x1", number(from.x)) + attribute("y1", number(from.y)) +
             attribute("x2", number(to.x)) + attribute("y2", number(to.y)) + attributes(paint) +
             end_of("line", paint);
}

void svg::circle(svg_point centre, double radius, const svg_paint& paint) {
    body_ += "<circle" + attribute("cx", number(centre.x)) + attribute("cy", number(centre.y)) +
             attribute("r", number(radius)) + attributes(paint) + end_of("circle", paint);
}

void svg::text(svg_point at, std::string_view words, const svg_font& font) {
    body_ += "<text" + attribute("x", number(at.x)) + attribute("y", number(at.y)) +
             attribute("font-size", number(font.size)) + attribute("fill", xml_text(font.fill)) +
             attribute("text-anchor", std::string(name_of(font.anchor)));
    if (font.bold) {
        body_ += attribute("font-weight", "bold");
    }
    if (font.rotated != 0) {
        body_ += attribute("transform", "rotate(" + number(font.rotated) + " " + number(at.x) +
                                            " " + number(at.y) + ")");
    }
    body_ += ">" + xml_text(words) + "</text>\n";
}

std::string svg::file() const {
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + body_ + "</svg>\n";
}

double svg::width_of(std::string_view words, double size) {
    return 0.62 * size * static_cast<double>(display_width(words));
}

} // namespace mice::tools
