// Any bytes as a checkpoint of the two formats before zip: the stream, and the tar archive.
// It exists because both are sequences in which every size decides where the next thing is looked for.
// The first byte chooses: 0 a tar archive, 1 the object alone, with the other pickles put around it, else a stream.
#include <string_view>

#include "checkpoint.h"
#include "properties.h"

namespace monoquant::fuzz {
namespace {

void append(Bytes &file, std::string_view text) {
  file.insert(file.end(), text.begin(), text.end());
}

Bytes wrap(Input object) {
  using namespace std::string_view_literals;
  Bytes file;
  append(file, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."sv);
  append(file, "\x80\x02M\xe9\x03.\x80\x02}."sv);
  file.insert(file.end(), object.begin(), object.end());
  append(file, "\x80\x02](X\x01\0\0\0"
               "0e."sv);
  append(file, "\x04\0\0\0\0\0\0\0"sv);
  file.resize(file.size() + 32);
  return file;
}

} // namespace

void check_torch_legacy(Input input) {
  if (input.empty()) {
    return;
  }
  const Input rest = input.subspan(1);
  const Bytes file = input[0] == 1 ? wrap(rest) : Bytes(rest.begin(), rest.end());
  read_checkpoint(file, input[0] == 0 ? torch::read_tar_checkpoint : torch::read_legacy_checkpoint);
}

} // namespace monoquant::fuzz
