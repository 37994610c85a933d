// The keys under which training scripts keep weights, and those under which they keep optimizers.
// It exists because most checkpoints are a dict of several things, and only one of them is the model.
// Collected from published checkpoints and the scripts of common frameworks.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

namespace monoquant::torch {

/// The first ones are preferred where two hold equally much.
inline constexpr std::array<std::string_view, 30> kWellKnownKeys = {"state_dict",
                                                                    "model_state_dict",
                                                                    "model_state",
                                                                    "model",
                                                                    "module",
                                                                    "net",
                                                                    "network",
                                                                    "weights",
                                                                    "params",
                                                                    "ema",
                                                                    "ema_state_dict",
                                                                    "model_ema",
                                                                    "ema_model",
                                                                    "params_ema",
                                                                    "state_dict_ema",
                                                                    "generator",
                                                                    "G",
                                                                    "g",
                                                                    "net_g",
                                                                    "netG",
                                                                    "g_ema",
                                                                    "G_ema",
                                                                    "student",
                                                                    "teacher",
                                                                    "backbone",
                                                                    "encoder_state_dict",
                                                                    "target_encoder",
                                                                    "checkpoint",
                                                                    "model_dict",
                                                                    "actor"};

inline constexpr std::array<std::string_view, 20> kOptimizerKeys = {"optimizer",
                                                                    "optimizers",
                                                                    "optimizer_state",
                                                                    "optimizer_state_dict",
                                                                    "optimizer_states",
                                                                    "optim",
                                                                    "optim_state_dict",
                                                                    "opt",
                                                                    "opt_state",
                                                                    "optim_g",
                                                                    "optim_d",
                                                                    "g_optim",
                                                                    "d_optim",
                                                                    "scheduler",
                                                                    "scheduler_state_dict",
                                                                    "lr_scheduler",
                                                                    "lr_schedulers",
                                                                    "lr_scheduler_state_dict",
                                                                    "scaler",
                                                                    "grad_scaler"};

inline std::optional<size_t> well_known_rank(std::string_view key) {
  const auto *found = std::find(kWellKnownKeys.begin(), kWellKnownKeys.end(), key);
  return found == kWellKnownKeys.end()
             ? std::nullopt
             : std::optional(static_cast<size_t>(found - kWellKnownKeys.begin()));
}

inline bool is_optimizer_key(std::string_view key) {
  return std::find(kOptimizerKeys.begin(), kOptimizerKeys.end(), key) != kOptimizerKeys.end();
}

} // namespace monoquant::torch
