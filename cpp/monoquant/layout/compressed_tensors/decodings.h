// Codes of compressed-tensors that are only read: integers of any width, and small floats.
//
//   integers   P_packed        I32 [out, words]: 2 to 7 bits, one behind the other, from one word to the next; of versions
//                              before 0.15 as many as a word holds whole
//   NVFP4      P_packed        U8 [out, in/2]: E2M1, the first of two in the low bits
//              P_scale         F8_E4M3 [out, in/16], P_global_scale F32 [1]: value = code * (scale / global scale)
//              X.input_global_scale  of the inputs of P's module X
//   MXFP4      P_packed        U8 [out, in/2], P_scale U8 [out, in/32]: exponents (E8M0)
//   MXFP6      P_packed        U8 [out, in*6/8]: E2M3, lowest bits first, from one byte to the next; scales as MXFP4
#pragma once

#include "monoquant/layout/joining.h"

namespace monoquant::layout::compressed_tensors {

/// Of packed integers whose parts were found and fit each other. `words`: those of a row.
catalog::Decoding decoding_of(const catalog::Codes &codes, uint64_t words);

/// The tensor that these packed bytes stand for, if they are small floats.
void join_small_floats(Joining &joining, size_t packed);

} // namespace monoquant::layout::compressed_tensors
