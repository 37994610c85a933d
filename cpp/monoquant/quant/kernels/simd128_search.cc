#ifdef __wasm_simd128__

#include "monoquant/quant/kernels/simd128_search.h"

#include "monoquant/quant/kernels/lanes.h"
#include "monoquant/quant/kernels/vectors.h"

namespace monoquant::quant::simd128 {
namespace {

// Eight elements a step, one for each lane of a sum.
constexpr size_t kStep = kSumLanes;

/// SearchLanes while they live in registers.
struct SumVectors {
  v128_t halves[2] = {splat(0.0F), splat(0.0F)};

  void add(size_t half, v128_t value) { halves[half] = wasm_f32x4_add(halves[half], value); }

  void store(SearchLanes &lanes) const {
    wasm_v128_store(lanes, halves[0]);
    wasm_v128_store(lanes + 4, halves[1]);
  }

  /// The same additions as fold_lanes.
  [[nodiscard]] double fold() const {
    const v128_t four = wasm_f32x4_add(halves[0], halves[1]);
    const v128_t high = wasm_i32x4_shuffle(four, four, 2, 3, 0, 1);
    const v128_t two =
        wasm_f64x2_add(wasm_f64x2_promote_low_f32x4(four), wasm_f64x2_promote_low_f32x4(high));
    return wasm_f64x2_extract_lane(two, 0) + wasm_f64x2_extract_lane(two, 1);
  }
};

/// The constants of try_step, one vector each.
struct TrialVectors {
  v128_t factor;
  v128_t lowest;
  v128_t highest;

  explicit TrialVectors(const Trial &trial)
      : factor(splat(trial.factor)), lowest(splat(kRounderBits + trial.lowest)),
        highest(splat(kRounderBits + trial.highest)) {}

  /// Returns the errors of four values.
  v128_t operator()(v128_t x, v128_t rounder, v128_t &code) const {
    const v128_t y = wasm_f32x4_mul(x, factor);
    const v128_t rounded =
        wasm_i32x4_min(wasm_i32x4_max(wasm_f32x4_add(y, rounder), lowest), highest);
    code = wasm_f32x4_sub(rounded, rounder);
    return wasm_f32x4_sub(y, code);
  }
};

struct Unweighted {
  v128_t times(v128_t value, size_t /*i*/) const { return value; }
  float times(float value, size_t /*i*/) const { return value; }
};

struct Weighted {
  Importance importance;
  v128_t unit;

  explicit Weighted(const Importance &given) : importance(given), unit(splat(given.unit)) {}

  [[nodiscard]] v128_t times(v128_t value, size_t i) const {
    return wasm_f32x4_mul(value, wasm_f32x4_mul(wasm_v128_load(importance.weights + i), unit));
  }
  [[nodiscard]] float times(float value, size_t i) const {
    return value * (importance.weights[i] * importance.unit);
  }
};

/// Trials go in pairs: two chains of additions keep the machine busy, and more would not fit its registers.
template <size_t kTrials, typename Weigh>
void try_some(const float *x, size_t size, const Weigh &weigh, v128_t rounder, const Trial *trials,
              double *to) {
  const TrialVectors first(trials[0]);
  const TrialVectors second(trials[kTrials - 1]);
  for (size_t n = 0; n < kTrials; ++n) {
    to[n] = 0;
  }
  for (size_t begin = 0; begin < size; begin += kSumChunk) {
    const size_t end = std::min(size, begin + kSumChunk);
    SumVectors noise[kTrials];
    size_t i = begin;
    for (; i + kStep <= end; i += kStep) {
      for (size_t half = 0; half < 2; ++half) {
        const size_t at = i + 4 * half;
        const v128_t values = wasm_v128_load(x + at);
        v128_t code;
        const v128_t one = first(values, rounder, code);
        noise[0].add(half, wasm_f32x4_mul(one, weigh.times(one, at)));
        if constexpr (kTrials == 2) {
          const v128_t two = second(values, rounder, code);
          noise[1].add(half, wasm_f32x4_mul(two, weigh.times(two, at)));
        }
      }
    }
    for (size_t n = 0; n < kTrials; ++n) {
      if (i == end) {
        to[n] += noise[n].fold();
        continue;
      }
      SearchLanes lanes;
      noise[n].store(lanes);
      for (size_t rest = i; rest < end; ++rest) {
        const float error = try_step(x[rest], trials[n]).error;
        lanes[rest % kSumLanes] += error * weigh.times(error, rest);
      }
      to[n] += fold_lanes(lanes);
    }
  }
}

template <typename Weigh>
void try_all(const float *x, size_t size, const Weigh &weigh, const Trial *trials, size_t count,
             double *to) {
  const v128_t rounder = hoist(kRounder);
  size_t n = 0;
  for (; n + 2 <= count; n += 2) {
    try_some<2>(x, size, weigh, rounder, trials + n, to + n);
  }
  if (n < count) {
    try_some<1>(x, size, weigh, rounder, trials + n, to + n);
  }
}

template <typename Weigh>
void fit(const float *x, size_t size, const Weigh &weigh, const Trial &trial, FitSums &to) {
  const v128_t rounder = hoist(kRounder);
  const TrialVectors vectors(trial);
  to = {};
  for (size_t begin = 0; begin < size; begin += kSumChunk) {
    const size_t end = std::min(size, begin + kSumChunk);
    SumVectors noise;
    SumVectors cross;
    SumVectors power;
    size_t i = begin;
    for (; i + kStep <= end; i += kStep) {
      for (size_t half = 0; half < 2; ++half) {
        const size_t at = i + 4 * half;
        v128_t code;
        const v128_t error = vectors(wasm_v128_load(x + at), rounder, code);
        const v128_t weighed = weigh.times(error, at);
        noise.add(half, wasm_f32x4_mul(error, weighed));
        cross.add(half, wasm_f32x4_mul(code, weighed));
        power.add(half, wasm_f32x4_mul(code, weigh.times(code, at)));
      }
    }
    if (i == end) {
      to.noise += noise.fold();
      to.cross += cross.fold();
      to.power += power.fold();
      continue;
    }
    SearchLanes lanes[3];
    noise.store(lanes[0]);
    cross.store(lanes[1]);
    power.store(lanes[2]);
    for (; i < end; ++i) {
      fit_step(try_step(x[i], trial), weigh.times(1.0F, i), i % kSumLanes, lanes[0], lanes[1],
               lanes[2]);
    }
    to.noise += fold_lanes(lanes[0]);
    to.cross += fold_lanes(lanes[1]);
    to.power += fold_lanes(lanes[2]);
  }
}

/// The sums of try_levels while they live in registers.
template <bool kFine> class LevelVectors {
public:
  explicit LevelVectors(const LevelTrials &trials)
      : unit_(hoist(trials.unit)), rounder_(hoist(kRounder)),
        first_(wasm_i16x8_splat(trials.first)) {}

  /// Adds eight values.
  void add(const float *x) {
    const v128_t level = wasm_i16x8_narrow_i32x4(level_of(x), level_of(x + 4));
    const v128_t step = wasm_i16x8_shr(level, LevelTrials::step_shift(kFine));
    v128_t code = wasm_i16x8_add_sat(level, wasm_i16x8_q15mulr_sat(level, first_));
    code = wasm_i16x8_add_sat(code, wasm_i16x8_splat(kLevelsPerCode / 2));
    if constexpr (!kFine) {
      const v128_t squares = wasm_i32x4_dot_i16x8(level, level);
      signal_ = wasm_i32x4_add(signal_, wasm_i32x4_shr(squares, kSignalShift));
    }
    for (size_t n = 0; n < kLevelTrials; ++n) {
      const v128_t whole = wasm_i16x8_shr(code, kCodeShift);
      cross_[n] = wasm_i32x4_add(cross_[n], wasm_i32x4_dot_i16x8(level, whole));
      power_[n] = wasm_i32x4_add(power_[n], wasm_i32x4_dot_i16x8(whole, whole));
      code = wasm_i16x8_add_sat(code, step);
    }
  }

  void add_to(LevelSums &sums) const {
    add_folded(cross_, sums.cross);
    add_folded(power_, sums.power);
    if constexpr (!kFine) {
      const v128_t two = wasm_i32x4_add(signal_, wasm_i32x4_shuffle(signal_, signal_, 2, 3, 0, 1));
      const int32_t all = wasm_i32x4_extract_lane(two, 0) + wasm_i32x4_extract_lane(two, 1);
      sums.signal += static_cast<double>(all) * (1 << kSignalShift);
    }
  }

private:
  /// Adds the four lanes of each sum: whole numbers, so their order does not matter.
  static void add_folded(const v128_t (&sums)[kLevelTrials], double (&to)[kLevelTrials]) {
    const v128_t first = add_halves(sums[0], sums[1]);
    const v128_t second = add_halves(sums[2], sums[3]);
    const v128_t all = wasm_i32x4_add(wasm_i32x4_shuffle(first, second, 0, 1, 4, 5),
                                      wasm_i32x4_shuffle(first, second, 2, 3, 6, 7));
    const v128_t high = wasm_i32x4_shuffle(all, all, 2, 3, 2, 3);
    wasm_v128_store(to, wasm_f64x2_add(wasm_v128_load(to), wasm_f64x2_convert_low_i32x4(all)));
    wasm_v128_store(to + 2,
                    wasm_f64x2_add(wasm_v128_load(to + 2), wasm_f64x2_convert_low_i32x4(high)));
  }

  static v128_t add_halves(v128_t a, v128_t b) {
    return wasm_i32x4_add(wasm_i32x4_shuffle(a, b, 0, 4, 1, 5),
                          wasm_i32x4_shuffle(a, b, 2, 6, 3, 7));
  }

  [[nodiscard]] v128_t level_of(const float *x) const {
    const v128_t rounded = wasm_f32x4_add(wasm_f32x4_mul(wasm_v128_load(x), unit_), rounder_);
    return wasm_i32x4_sub(rounded, rounder_);
  }

  v128_t unit_;
  v128_t rounder_; // its bits are kRounderBits
  v128_t first_;
  v128_t signal_ = splat(0);
  v128_t cross_[kLevelTrials] = {splat(0), splat(0), splat(0), splat(0)};
  v128_t power_[kLevelTrials] = {splat(0), splat(0), splat(0), splat(0)};
};

template <bool kFine>
void try_as(const float *x, size_t size, const LevelTrials &trials, LevelSums &to) {
  to = {};
  for (size_t begin = 0; begin < size; begin += kSumChunk) {
    const size_t end = std::min(size, begin + kSumChunk);
    LevelVectors<kFine> vectors(trials);
    size_t i = begin;
    for (; i + kStep <= end; i += kStep) {
      vectors.add(x + i);
    }
    if (i < end) {
      float rest[kStep] = {}; // zeros add nothing
      std::copy(x + i, x + end, rest);
      vectors.add(rest);
    }
    vectors.add_to(to);
  }
}

} // namespace

void try_levels(const float *x, size_t size, const LevelTrials &trials, LevelSums &to) {
  const auto kernel = trials.fine ? try_as<true> : try_as<false>;
  kernel(x, size, trials, to);
}

void try_codes(const float *x, size_t size, const Importance &importance, const Trial *trials,
               size_t count, double *to) {
  if (importance.weights == nullptr) {
    try_all(x, size, Unweighted{}, trials, count, to);
  } else {
    try_all(x, size, Weighted(importance), trials, count, to);
  }
}

void fit_codes(const float *x, size_t size, const Importance &importance, const Trial &trial,
               FitSums &to) {
  if (importance.weights == nullptr) {
    fit(x, size, Unweighted{}, trial, to);
  } else {
    fit(x, size, Weighted(importance), trial, to);
  }
}

} // namespace monoquant::quant::simd128

#endif
