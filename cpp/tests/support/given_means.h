// A calibration that says what the means of inputs are, for models that were made up.
// It exists for tests of what a bias takes back, which several kinds of runs must do alike.
#pragma once

#include <string_view>
#include <vector>

#include "monoquant/base/json.h"
#include "monoquant/catalog/catalog.h"

namespace monoquant::test {

/// `options` with a calibration of each layer of the model: means between -1 and 2, mean squares a little larger than
/// their squares. Convolutions are given twice the channels of a group.
Json with_means(const catalog::Catalog &model, Json options);

/// The means in such options, one a channel.
std::vector<double> means_of(const Json &options, std::string_view module);

} // namespace monoquant::test
