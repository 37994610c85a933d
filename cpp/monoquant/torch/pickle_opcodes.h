// The opcodes of Python's pickle, protocols 0 to 5, under the names of Lib/pickle.py.
#pragma once

#include <cstdint>

namespace monoquant::torch::op {

inline constexpr uint8_t kMark = '(';             // protocol 0
inline constexpr uint8_t kStop = '.';             // protocol 0
inline constexpr uint8_t kPop = '0';              // protocol 0
inline constexpr uint8_t kDup = '2';              // protocol 0
inline constexpr uint8_t kFloat = 'F';            // protocol 0
inline constexpr uint8_t kInt = 'I';              // protocol 0
inline constexpr uint8_t kLong = 'L';             // protocol 0
inline constexpr uint8_t kNone = 'N';             // protocol 0
inline constexpr uint8_t kPersId = 'P';           // protocol 0
inline constexpr uint8_t kReduce = 'R';           // protocol 0
inline constexpr uint8_t kString = 'S';           // protocol 0
inline constexpr uint8_t kUnicode = 'V';          // protocol 0
inline constexpr uint8_t kAppend = 'a';           // protocol 0
inline constexpr uint8_t kBuild = 'b';            // protocol 0
inline constexpr uint8_t kGlobal = 'c';           // protocol 0
inline constexpr uint8_t kDict = 'd';             // protocol 0
inline constexpr uint8_t kGet = 'g';              // protocol 0
inline constexpr uint8_t kInst = 'i';             // protocol 0
inline constexpr uint8_t kList = 'l';             // protocol 0
inline constexpr uint8_t kPut = 'p';              // protocol 0
inline constexpr uint8_t kSetItem = 's';          // protocol 0
inline constexpr uint8_t kTuple = 't';            // protocol 0
inline constexpr uint8_t kEmptyTuple = ')';       // protocol 1
inline constexpr uint8_t kPopMark = '1';          // protocol 1
inline constexpr uint8_t kBinFloat = 'G';         // protocol 1
inline constexpr uint8_t kBinInt = 'J';           // protocol 1
inline constexpr uint8_t kBinInt1 = 'K';          // protocol 1
inline constexpr uint8_t kBinInt2 = 'M';          // protocol 1
inline constexpr uint8_t kBinPersId = 'Q';        // protocol 1
inline constexpr uint8_t kBinString = 'T';        // protocol 1
inline constexpr uint8_t kShortBinString = 'U';   // protocol 1
inline constexpr uint8_t kBinUnicode = 'X';       // protocol 1
inline constexpr uint8_t kEmptyList = ']';        // protocol 1
inline constexpr uint8_t kAppends = 'e';          // protocol 1
inline constexpr uint8_t kBinGet = 'h';           // protocol 1
inline constexpr uint8_t kLongBinGet = 'j';       // protocol 1
inline constexpr uint8_t kObj = 'o';              // protocol 1
inline constexpr uint8_t kBinPut = 'q';           // protocol 1
inline constexpr uint8_t kLongBinPut = 'r';       // protocol 1
inline constexpr uint8_t kSetItems = 'u';         // protocol 1
inline constexpr uint8_t kEmptyDict = '}';        // protocol 1
inline constexpr uint8_t kProto = 0x80;           // protocol 2
inline constexpr uint8_t kNewObj = 0x81;          // protocol 2
inline constexpr uint8_t kExt1 = 0x82;            // protocol 2
inline constexpr uint8_t kExt2 = 0x83;            // protocol 2
inline constexpr uint8_t kExt4 = 0x84;            // protocol 2
inline constexpr uint8_t kTuple1 = 0x85;          // protocol 2
inline constexpr uint8_t kTuple2 = 0x86;          // protocol 2
inline constexpr uint8_t kTuple3 = 0x87;          // protocol 2
inline constexpr uint8_t kNewTrue = 0x88;         // protocol 2
inline constexpr uint8_t kNewFalse = 0x89;        // protocol 2
inline constexpr uint8_t kLong1 = 0x8A;           // protocol 2
inline constexpr uint8_t kLong4 = 0x8B;           // protocol 2
inline constexpr uint8_t kBinBytes = 'B';         // protocol 3
inline constexpr uint8_t kShortBinBytes = 'C';    // protocol 3
inline constexpr uint8_t kShortBinUnicode = 0x8C; // protocol 4
inline constexpr uint8_t kBinUnicode8 = 0x8D;     // protocol 4
inline constexpr uint8_t kBinBytes8 = 0x8E;       // protocol 4
inline constexpr uint8_t kEmptySet = 0x8F;        // protocol 4
inline constexpr uint8_t kAddItems = 0x90;        // protocol 4
inline constexpr uint8_t kFrozenSet = 0x91;       // protocol 4
inline constexpr uint8_t kNewObjEx = 0x92;        // protocol 4
inline constexpr uint8_t kStackGlobal = 0x93;     // protocol 4
inline constexpr uint8_t kMemoize = 0x94;         // protocol 4
inline constexpr uint8_t kFrame = 0x95;           // protocol 4
inline constexpr uint8_t kByteArray8 = 0x96;      // protocol 5
inline constexpr uint8_t kNextBuffer = 0x97;      // protocol 5
inline constexpr uint8_t kReadonlyBuffer = 0x98;  // protocol 5

} // namespace monoquant::torch::op
