// One property as libFuzzer calls it. The build says which.
#include "properties.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  monoquant::fuzz::MONOQUANT_PROPERTY({data, size});
  return 0;
}
