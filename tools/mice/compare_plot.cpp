// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/svg.hpp"
#include "common/terminal.hpp"
#include "mice/compare_results.hpp"

// The picture of `mice compare`.
namespace mice::cli {
namespace {

using tools::svg;
using tools::svg_box;
using tools::svg_point;

constexpr std::array<std::string_view, 8> colours{"#c44e00", "#2f5d8a", "#2e7d4f", "#8a3a6b",
                                                  "#7a6a1a", "#4a4ea8", "#a83232", "#3a7f86"};
constexpr std::string_view grey = "#8a8a8a";
constexpr double radius = 5;
constexpr double label_size = 11;
constexpr double label_height = 14;
constexpr std::size_t label_columns = 36;

/// One point: a model, with or without stored documents.
struct plotted {
    std::size_t model;
    bool stored;
    double milliseconds;
    double ndcg;
    svg_point at{};
};

/// A value axis: the values that it spans, and their pixels.
struct axis {
    double low = 0, high = 1;
    double first = 0, last = 0; ///< pixels of `low` and `high`
    bool logarithmic = false;

    [[nodiscard]] double pixel(double value) const {
        const double share = logarithmic ? std::log(value / low) / std::log(high / low)
                                         : (value - low) / (high - low);
        return first + share * (last - first);
    }
};

/// Roughly four round values between the ends.
std::vector<double> even_ticks(double low, double high) {
    const double rough = (high - low) / 4;
    const double power = std::pow(10, std::floor(std::log10(rough)));
    const double digits = rough / power;
    const double step = power * (digits < 1.5 ? 1 : digits < 3.5 ? 2 : digits < 7.5 ? 5 : 10);
    std::vector<double> ticks;
    for (double at = std::ceil(low / step); at * step <= high; at += 1) {
        ticks.push_back(at * step);
    }
    return ticks;
}

/// 1, 2, 5, 10, ...; even ones where a short axis holds too few of them.
std::vector<double> logarithmic_ticks(double low, double high) {
    std::vector<double> ticks;
    for (double power = std::pow(10, std::floor(std::log10(low))); power <= high; power *= 10) {
        for (const double digit : {1.0, 2.0, 5.0}) {
            if (digit * power >= low && digit * power <= high) {
                ticks.push_back(digit * power);
            }
        }
    }
    return ticks.size() < 3 ? even_ticks(low, high) : ticks;
}

std::string tick_text(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.4g", value);
    return text;
}

/// Finds a free place for one label after the other: beside its point, else further up or down.
class label_places {
  public:
    label_places(svg_box area, std::span<const plotted> points) : area_(area) {
        for (const plotted& each : points) {
            taken_.push_back(
                {each.at.x - radius - 1, each.at.y - radius - 1, 2 * radius + 2, 2 * radius + 2});
        }
    }

    /// Keeps labels off a level line.
    void keep_free(svg_point from, svg_point to) {
        const double left = std::min(from.x, to.x);
        taken_.push_back({left, from.y - 1, std::max(from.x, to.x) - left, 2});
    }

    /// The label's box. plot_height leaves enough free lines for one to be found.
    svg_box place(svg_point at, double width) {
        const double middle = at.y - label_height / 2;
        const auto lines = static_cast<int>(area_.height / label_height) + 1;
        for (int line = 0; line <= 2 * lines; ++line) {
            const int steps = (line % 2 == 0 ? 1 : -1) * ((line + 1) / 2);
            const double down = steps * label_height;
            for (const double left : {at.x + radius + 4, at.x - radius - 4 - width}) {
                const svg_box box{left, middle + down, width, label_height};
                if (fits(box)) {
                    taken_.push_back(box);
                    return box;
                }
            }
        }
        return {at.x + radius + 4, middle, width, label_height};
    }

  private:
    [[nodiscard]] bool fits(const svg_box& box) const {
        return box.x >= area_.x && box.x + box.width <= area_.x + area_.width && box.y >= area_.y &&
               box.y + box.height <= area_.y + area_.height &&
               std::none_of(taken_.begin(), taken_.end(),
                            [&box](const svg_box& each) { return each.overlaps(box); });
    }

    svg_box area_;
    std::vector<svg_box> taken_;
};

/// A point, a label and a line each keep at most two places from a label, so with twice as many
/// places as there are of them one is free.
double plot_height(std::size_t points, std::size_t models) {
    return std::max(320.0, (4 * static_cast<double>(points) + 2 * static_cast<double>(models) + 4) *
                               label_height);
}

class plot {
  public:
    plot(const comparison& all, const collection_result& shown)
        : all_(all), shown_(shown),
          points_(points_of(shown)), area_{80, 64, 700,
                                           plot_height(points_.size(), shown.models.size())},
          picture_(area_.x + area_.width + 30, area_.y + area_.height + 96, title()) {
        scale();
        for (plotted& each : points_) {
            each.at = {x_.pixel(each.milliseconds), y_.pixel(each.ndcg)};
        }
    }

    std::string draw() {
        picture_.text({area_.x, 28}, title(), {.size = 14, .bold = true});
        picture_.text({area_.x, 47}, tools::printable(settings()), {.size = 11, .fill = "#555555"});
        draw_axes();
        draw_first_stage();
        draw_points();
        draw_legend();
        return picture_.file();
    }

  private:
    static std::vector<plotted> points_of(const collection_result& shown) {
        std::vector<plotted> points;
        for (std::size_t i = 0; i < shown.models.size(); ++i) {
            const model_result& each = shown.models[i];
            points.push_back({i, false, each.not_stored.median, each.reranked.ndcg});
            if (each.stored) {
                points.push_back({i, true, each.stored->median, each.reranked.ndcg});
            }
        }
        return points;
    }

    [[nodiscard]] std::string title() const {
        return "nDCG@10 and latency, " +
               (all_.mean ? "mean of " + std::to_string(all_.collections.size()) + " collections"
                          : tools::printable(shown_.name));
    }

    [[nodiscard]] std::string settings() const {
        return all_.candidates + "; " + std::to_string(all_.threads) +
               (all_.threads == 1 ? " thread" : " threads") + ", " + all_.simd + "; codec " +
               all_.codec + "; " + std::to_string(shown_.timed_queries) + " queries timed";
    }

    void scale() {
        const auto [fastest, slowest] = std::minmax_element(
            points_.begin(), points_.end(),
            [](const plotted& a, const plotted& b) { return a.milliseconds < b.milliseconds; });
        x_ = {fastest->milliseconds / 1.5, slowest->milliseconds * 1.5, area_.x,
              area_.x + area_.width, true};
        double low = shown_.before.ndcg;
        double high = low;
        for (const plotted& each : points_) {
            low = std::min(low, each.ndcg);
            high = std::max(high, each.ndcg);
        }
        const double margin = std::max(0.15 * (high - low), 0.01);
        y_ = {low - margin, high + margin, area_.y + area_.height, area_.y, false};
    }

    void draw_axes() {
        constexpr std::string_view grid = "#e4e4e4";
        for (const double tick : logarithmic_ticks(x_.low, x_.high)) {
            const double x = x_.pixel(tick);
            picture_.line({x, area_.y}, {x, area_.y + area_.height}, {.stroke = grid});
            picture_.text({x, area_.y + area_.height + 17}, tick_text(tick),
                          {.size = 11, .anchor = tools::svg_anchor::middle});
        }
        for (const double tick : even_ticks(y_.low, y_.high)) {
            const double y = y_.pixel(tick);
            picture_.line({area_.x, y}, {area_.x + area_.width, y}, {.stroke = grid});
            picture_.text({area_.x - 7, y + 4}, tick_text(tick),
                          {.size = 11, .anchor = tools::svg_anchor::end});
        }
        picture_.rect(area_, {.stroke = grey});
        picture_.text({area_.x + area_.width / 2, area_.y + area_.height + 38},
                      "milliseconds a query, median, logarithmic",
                      {.anchor = tools::svg_anchor::middle});
        picture_.text({24, area_.y + area_.height / 2}, "nDCG@10",
                      {.anchor = tools::svg_anchor::middle, .rotated = -90});
    }

    [[nodiscard]] std::string first_stage() const {
        return shown_.first_stage == "bm25" ? "BM25" : "the run";
    }

    void draw_first_stage() {
        const double y = y_.pixel(shown_.before.ndcg);
        picture_.line({area_.x, y}, {area_.x + area_.width, y},
                      {.stroke = grey, .dash = "5 4", .tooltip = first_stage()});
    }

    void draw_points() {
        label_places places(area_, points_);
        const double first_stage_y = y_.pixel(shown_.before.ndcg);
        places.keep_free({area_.x, first_stage_y}, {area_.x + area_.width, first_stage_y});
        for (const plotted& each : points_) { // one model's two ways belong together
            const plotted& first =
                *std::find_if(points_.begin(), points_.end(),
                              [&each](const plotted& other) { return other.model == each.model; });
            places.keep_free(first.at, each.at);
            picture_.line(first.at, each.at, {.stroke = colour(each), .width = 1, .opacity = 0.45});
        }
        for (const plotted& each : points_) {
            const std::string name = tools::printable(all_.models[each.model].name);
            const std::string way = each.stored ? ", stored" : "";
            char figures[80];
            std::snprintf(figures, sizeof figures, ": %.4g ms, nDCG@10 %.4f", each.milliseconds,
                          each.ndcg);
            picture_.circle(
                each.at, radius,
                {.fill = each.stored ? colour(each) : "#ffffff",
                 .stroke = colour(each),
                 .width = 2,
                 .tooltip = name + (each.stored ? ", stored" : ", not stored") + figures});
            const std::string label =
                tools::fit(name, label_columns - tools::display_width(way)) + way;
            const svg_box box = places.place(each.at, svg::width_of(label, label_size));
            draw_label(each, label, box);
        }
    }

    void draw_label(const plotted& of, std::string_view label, const svg_box& box) {
        const double middle = box.y + label_height / 2;
        const bool to_the_right = box.x > of.at.x;
        const double near = to_the_right ? box.x : box.x + box.width;
        if (std::abs(middle - of.at.y) > 1) { // so far that one would ask whose label it is
            picture_.line(of.at, {near, middle}, {.stroke = colour(of), .width = 0.6});
        }
        picture_.text({near, box.y + label_height - 3}, label,
                      {.size = label_size,
                       .anchor = to_the_right ? tools::svg_anchor::start : tools::svg_anchor::end,
                       .fill = colour(of)});
    }

    void draw_legend() {
        const double y = area_.y + area_.height + 64;
        picture_.circle({area_.x + 6, y}, radius,
                        {.fill = "#444444", .stroke = "#444444", .width = 2});
        picture_.text({area_.x + 18, y + 4}, "documents stored", {.size = 11});
        picture_.circle({area_.x + 156, y}, radius,
                        {.fill = "#ffffff", .stroke = "#444444", .width = 2});
        picture_.text({area_.x + 168, y + 4}, "not stored", {.size = 11});
        picture_.line({area_.x + 262, y}, {area_.x + 290, y}, {.stroke = grey, .dash = "5 4"});
        picture_.text({area_.x + 298, y + 4}, "order of " + first_stage(), {.size = 11});
    }

    static std::string_view colour(const plotted& of) { return colours[of.model % colours.size()]; }

    const comparison& all_;
    const collection_result& shown_;
    std::vector<plotted> points_;
    svg_box area_;
    svg picture_;
    axis x_, y_;
};

} // namespace

std::string plot_of(const comparison& all) {
    return plot(all, all.mean ? *all.mean : all.collections.front()).draw();
}

} // namespace mice::cli
