// Any bytes as the data.pkl of a checkpoint, or as the whole archive.
// It exists because most damage to an archive only ever meets its directory: wrapped in a sound one, the
// pickle's objects reach what rebuilds tensors and looks for names.
// The first byte chooses: 0 the bytes are the archive, 1 TorchScript, else torch.save.
#include "checkpoint.h"
#include "monoquant/container/deflate.h"
#include "monoquant/container/zip_writer.h"
#include "properties.h"

namespace monoquant::fuzz {
namespace {

Bytes wrap(Input pickle, bool is_script) {
  const Bytes storage(64, 1);
  std::vector<container::ZipRecord> records;
  std::vector<Input> contents;
  const auto add = [&](const char *name, Input content) {
    records.push_back({name, content.size(), 0});
    contents.push_back(content);
  };
  add("a/data.pkl", pickle);
  add("a/data/0", storage);
  add("a/data/1", storage);
  if (is_script) {
    add("a/constants.pkl", pickle);
    add("a/constants/0", storage);
  }
  const auto layout = container::layout_zip(records);
  require(layout.has_value());
  Bytes file;
  std::vector<uint32_t> checksums;
  for (size_t i = 0; i < records.size(); ++i) {
    checksums.push_back(container::crc32(0, contents[i]));
    const Bytes header = container::zip_local_header(records[i], checksums[i]);
    file.insert(file.end(), header.begin(), header.end());
    file.insert(file.end(), contents[i].begin(), contents[i].end());
  }
  const Bytes end = container::zip_directory(records, checksums, layout.value());
  file.insert(file.end(), end.begin(), end.end());
  return file;
}

} // namespace

void check_torch_zip(Input input) {
  if (input.empty()) {
    return;
  }
  const Input rest = input.subspan(1);
  const Bytes file = input[0] == 0 ? Bytes(rest.begin(), rest.end()) : wrap(rest, input[0] == 1);
  read_checkpoint(file, torch::read_zip_checkpoint);
}

} // namespace monoquant::fuzz
