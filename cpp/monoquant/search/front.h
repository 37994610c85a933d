// Fronts: which points of many no other one beats.
// It exists because with several objectives there is no best point, only those that nothing is better than.
// Source of ranks and crowding: Deb, Pratap, Agarwal, Meyarivan: A Fast and Elitist Multiobjective Genetic Algorithm,
// 2002. Equal points are no two: all but the first are behind every other rank.
#pragma once

#include "monoquant/search/objectives.h"

namespace monoquant::search {

/// Of points that are equal to an earlier one.
inline constexpr uint32_t kDuplicate = UINT32_MAX;

/// 0 for points that none dominates, 1 for those that only points of rank 0 dominate, and so on.
std::vector<uint32_t> ranks_of(std::span<const Values> points);

/// How far apart the neighbours of each point of one front are, summed over the objectives, each of whose widths in
/// the front is 1. Infinite at the ends of an objective.
std::vector<double> crowding_of(std::span<const Values> front);

/// How much of the box between `ideal` and `worst`, as a part of it, at least one of the points dominates.
/// `objectives`: 1 to 4. One with no width between the two counts as 1.
double hypervolume(std::span<const Values> points, size_t objectives, const Values &ideal,
                   const Values &worst);

} // namespace monoquant::search
