// Scales of scales beside those that bitsandbytes makes.
#include "monoquant/layout/bitsandbytes/nested.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "monoquant/base/json.h"
#include "support/random.h"

namespace monoquant::layout::bitsandbytes {
namespace {

// Of quantize_4bit(W, blocksize=64, compress_statistics=True), bitsandbytes 0.50.2: the scales before, and their codes.
constexpr float kGoldenScales[] = {0.0F,
                                   0.08855602890253067F,
                                   0.08374104648828506F,
                                   0.06614571064710617F,
                                   0.07004739344120026F,
                                   0.06810732930898666F,
                                   0.07458140701055527F,
                                   0.07032912224531174F,
                                   0.07896162569522858F,
                                   0.8999999761581421F,
                                   0.0629911869764328F,
                                   0.0826970711350441F,
                                   1.0F,
                                   0.06804700195789337F,
                                   0.07218106836080551F,
                                   0.07801125198602676F,
                                   0.0782906711101532F,
                                   0.07306897640228271F,
                                   0.0754060298204422F,
                                   0.09939274191856384F,
                                   0.07649307698011398F,
                                   0.28679612278938293F,
                                   0.4040006399154663F,
                                   0.3798949420452118F,
                                   0.06421493738889694F,
                                   0.10809820890426636F,
                                   0.07324574887752533F,
                                   0.06312180310487747F,
                                   0.0954238772392273F,
                                   0.09515854716300964F,
                                   0.07498868554830551F,
                                   0.08539994060993195F,
                                   0.09999081492424011F,
                                   0.0623585544526577F,
                                   0.077419213950634F,
                                   0.1041218563914299F,
                                   0.08075821399688721F,
                                   0.05578073859214783F,
                                   0.08568849414587021F,
                                   0.09879668056964874F,
                                   0.07346844673156738F,
                                   0.0916469395160675F,
                                   0.06288643926382065F,
                                   0.0688016340136528F,
                                   0.07759205996990204F,
                                   0.10036422312259674F,
                                   0.07943888008594513F,
                                   0.06419587135314941F,
                                   0.09220147877931595F,
                                   0.06576485931873322F,
                                   0.0784788578748703F,
                                   0.0730024129152298F,
                                   0.05533134564757347F,
                                   0.0841812789440155F,
                                   0.08800306171178818F,
                                   0.08147983253002167F,
                                   0.07541479170322418F,
                                   0.08510532230138779F,
                                   0.06435507535934448F,
                                   0.09232999384403229F,
                                   0.08350914716720581F,
                                   0.08735205978155136F,
                                   0.08270333707332611F,
                                   0.07343849539756775F,
                                   0.08071238547563553F,
                                   0.07550278306007385F,
                                   0.06907881051301956F,
                                   0.08225028216838837F,
                                   0.07772768288850784F,
                                   0.07904868572950363F,
                                   0.07053692638874054F,
                                   0.06785198301076889F,
                                   0.10553862154483795F,
                                   0.0702316164970398F,
                                   0.07282228767871857F,
                                   0.08801321685314178F,
                                   0.07682500034570694F,
                                   0.07594262063503265F,
                                   0.08276660740375519F,
                                   0.06566876173019409F,
                                   0.07570822536945343F,
                                   0.06279852986335754F,
                                   0.07937981188297272F,
                                   0.09464419633150101F,
                                   0.06459474563598633F,
                                   0.0643361285328865F,
                                   0.08739479631185532F,
                                   0.06383427232503891F,
                                   0.07192576676607132F,
                                   0.0747290849685669F,
                                   0.07647726684808731F,
                                   0.06557805836200714F,
                                   0.09408284723758698F,
                                   0.06860493123531342F,
                                   0.06187717989087105F,
                                   0.06197667121887207F,
                                   0.07987505942583084F,
                                   0.06926481425762177F,
                                   0.0687912330031395F,
                                   0.07728412747383118F,
                                   0.06761500984430313F,
                                   0.08092524856328964F,
                                   0.061599474400281906F,
                                   0.08790905028581619F,
                                   0.08888926357030869F,
                                   0.06325631588697433F,
                                   0.08351637423038483F,
                                   0.06684065610170364F,
                                   0.09116236865520477F,
                                   0.0714113712310791F,
                                   0.07866537570953369F,
                                   0.089448943734169F,
                                   0.08456092327833176F,
                                   0.07911357283592224F,
                                   0.07497487217187881F,
                                   0.0676291212439537F,
                                   0.07758808135986328F,
                                   0.0743156298995018F,
                                   0.1075562983751297F,
                                   0.08326494693756104F,
                                   0.09574620425701141F,
                                   0.07507005333900452F,
                                   0.05628529191017151F,
                                   0.0829029381275177F,
                                   0.06417601555585861F,
                                   0.0713290125131607F,
                                   0.08286196738481522F,
                                   0.07384467869997025F,
                                   0.09203892946243286F,
                                   0.06881912052631378F,
                                   0.05895440652966499F,
                                   0.07543712854385376F,
                                   0.07228893041610718F,
                                   0.06950497627258301F,
                                   0.10188064724206924F,
                                   0.08311490714550018F,
                                   0.08036382496356964F,
                                   0.07837800681591034F,
                                   0.07097863405942917F,
                                   0.07679452747106552F,
                                   0.08451959490776062F,
                                   0.06927478313446045F,
                                   0.08690562844276428F,
                                   0.059032686054706573F};
constexpr uint8_t kGoldenCodes[] = {
    63,  101, 95,  88,  89,  89,  91, 89,  93,  247, 87,  94,  255, 89,  90,  92, 93, 90,
    91,  150, 92,  198, 208, 206, 87, 160, 91,  87,  139, 137, 91,  96,  151, 86, 92, 158,
    94,  84,  96,  149, 91,  107, 87, 89,  92,  152, 93,  87,  108, 88,  93,  90, 84, 95,
    100, 94,  91,  95,  87,  108, 95, 99,  94,  91,  94,  91,  89,  94,  92,  93, 90, 88,
    159, 89,  90,  100, 92,  92,  94, 88,  92,  86,  93,  118, 87,  87,  99,  87, 90, 91,
    92,  88,  113, 89,  86,  86,  93, 89,  89,  92,  88,  94,  86,  100, 102, 87, 95, 88,
    106, 90,  93,  103, 95,  93,  91, 88,  92,  91,  160, 95,  142, 91,  84,  94, 87, 90,
    94,  91,  108, 89,  85,  91,  90, 89,  155, 94,  93,  93,  90,  92,  95,  89, 98, 85};
constexpr float kGoldenOffset = 0.09484564512968063F; // the mean, summed up in another order
constexpr float kGoldenOuter = 0.9051543474197388F;

TEST(NestedScales, are_those_of_bitsandbytes) {
  const NestedScales nested = nest_scales(kGoldenScales);
  EXPECT_FLOAT_EQ(nested.offset, kGoldenOffset);
  ASSERT_EQ(nested.outer.size(), 1U);
  EXPECT_FLOAT_EQ(nested.outer[0], kGoldenOuter);
  ASSERT_EQ(nested.codes.size(), std::size(kGoldenCodes));
  for (size_t i = 0; i < nested.codes.size(); ++i) {
    EXPECT_EQ(nested.codes[i], kGoldenCodes[i]) << i;
  }
}

TEST(NestedScales, have_a_table_that_rises_to_one) {
  const auto table = nested_table();
  EXPECT_TRUE(std::is_sorted(table.begin(), table.end()));
  EXPECT_EQ(table[127], 0.0F);
  EXPECT_EQ(table[255], 1.0F);
  EXPECT_FLOAT_EQ(table[0], -0.99296874F);
}

TEST(NestedScales, lose_little_of_any_scales) {
  test::Random random(3);
  for (int round = 0; round < 20; ++round) {
    std::vector<float> scales(1 + random.below(1000));
    for (float &scale : scales) {
      scale = std::fabs(random.signed_unit()) * 0.1F;
    }
    const NestedScales nested = nest_scales(scales);
    ASSERT_EQ(nested.outer.size(), (scales.size() + 255) / 256);
    for (size_t i = 0; i < scales.size(); ++i) {
      // Half of the widest gap of the table, of 0.0281 between its largest numbers.
      EXPECT_NEAR(nested.read(i), scales[i], 0.0142F * nested.outer[i / 256]);
    }
  }
  const NestedScales none = nest_scales({});
  EXPECT_TRUE(none.codes.empty() && none.outer.empty());
  const std::vector<float> same(300, 0.25F);
  const NestedScales one = nest_scales(same);
  EXPECT_EQ(one.read(299), 0.25F);
}

TEST(NestedScales, offsets_have_one_length_and_are_json) {
  for (const float offset : {0.0F, 0.09484564512968063F, 1e-38F, 3.4e38F, 1.0F, 1e-45F}) {
    const std::string text = offset_text(offset);
    EXPECT_EQ(text.size(), kOffsetText);
    const Json json = parse_json("{\"nested_offset\": " + text);
    EXPECT_EQ(static_cast<float>(json["nested_offset"].get<double>()), offset);
  }
}

} // namespace
} // namespace monoquant::layout::bitsandbytes
