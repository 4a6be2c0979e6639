// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace mice::tools {

struct svg_point {
    double x = 0;
    double y = 0;
};

struct svg_box {
    double x = 0; ///< left
    double y = 0; ///< top
    double width = 0;
    double height = 0;

    [[nodiscard]] bool overlaps(const svg_box& other) const noexcept {
        return x < other.x + other.width && other.x < x + width && y < other.y + other.height &&
               other.y < y + height;
    }
};

/// How a shape is painted. Colours are SVG's: "#c44e00", "none".
struct svg_paint {
    std::string_view fill = "none";
    std::string_view stroke = "none";
    double width = 1;           ///< of the stroke
    std::string_view dash = ""; ///< such as "4 3"; empty: a whole line
    double opacity = 1;
    std::string_view tooltip = ""; ///< shown when the mouse rests on the shape
};

enum class svg_anchor { start, middle, end };

/// How a text is placed.
struct svg_font {
    double size = 12;
    svg_anchor anchor = svg_anchor::start; ///< which part of the text is at the given point
    std::string_view fill = "#1a1a1a";
    bool bold = false;
    double rotated = 0; ///< degrees, clockwise, around the given point
};

/// A picture as one SVG file without scripts, links or fonts of its own. Texts may hold anything:
/// they are escaped, and what XML cannot hold becomes U+FFFD. Coordinates are pixels from the upper
/// left corner; members throw errc::invalid_argument for ones that are not finite.
class svg {
  public:
    /// A white picture; `title` is its name for screen readers.
    svg(double width, double height, std::string_view title);

    void rect(const svg_box& box, const svg_paint& paint);
    void line(svg_point from, svg_point to, const svg_paint& paint);
    void circle(svg_point centre, double radius, const svg_paint& paint);
    /// The point is on the text's base line.
    void text(svg_point at, std::string_view words, const svg_font& font = {});

    /// The whole file.
    [[nodiscard]] std::string file() const;

    /// Roughly the width of a text on screen, rather too much than too little: fonts differ.
    [[nodiscard]] static double width_of(std::string_view words, double size);

  private:
    std::string body_;
};

/// Text for an element or a quoted attribute of XML.
[[nodiscard]] std::string xml_text(std::string_view text);

} // namespace mice::tools
