/**
 * What people type who come from other tools, and what they mean here.
 * Words for values are taken; words for flags are only hinted at, so that scripts have one spelling.
 */

/** Words for choices, as other tools write them. */
const VALUES: Readonly<Record<string, string>> = {
  sym: 'symmetric',
  asym: 'asymmetric',
  affine: 'asymmetric',
  half: 'f16',
  float16: 'f16',
  fp16: 'f16',
  bfloat16: 'bf16',
  float32: 'f32',
  fp32: 'f32',
  'per-channel': 'channel',
  per_channel: 'channel',
  'per-tensor': 'tensor',
  per_tensor: 'tensor',
  'per-group': 'group',
  per_group: 'group',
};

/** `4` of `int4`, `4bit`, `q4`, `w4`, and `16` of `fp16`. FP8 and NF4 are no integers of 8 and 4 bits. */
const BITS = /^(?:u?int|i|q|w)?(\d{1,2})(?:[-_ ]?bits?)?$|^(?:fp|f|float)(16)$/i;

/** What a word for a choice may mean here. */
export function knownWords(written: string): readonly string[] {
  const word = written.toLowerCase();
  const [, integer, float] = BITS.exec(word) ?? [];
  return [VALUES[word], integer, float].filter((meant) => meant !== undefined);
}

/** What flags of other tools are called here; in pairs of our words and theirs, which are read without dashes. */
const FLAGS: Readonly<Record<string, readonly string[]>> = {
  '--bits': ['wbit', 'wbits', 'nbits', 'nbit', 'numbits', 'qbits', 'weightbits', 'loadin', 'modes'],
  '--bits 4': ['int4', 'q4', '4bit', 'loadin4bit'],
  '--bits 8': ['int8', 'q8', '8bit', 'loadin8bit'],
  '--bits 16': ['fp16', 'f16', 'half', 'float16'],
  '--bits 16 --dtype bf16': ['bf16', 'bfloat16'],
  '--scheme symmetric': ['sym', 'symmetric'],
  '--scheme asymmetric': ['asym', 'asymmetric', 'zeropoint'],
  '--scheme': ['quantscheme', 'preset', 'type', 'qtype'],
  '--strategy': ['granularity'],
  '--strategy channel': ['perchannel', 'channelwise'],
  '--strategy tensor': ['pertensor'],
  '--group-size': ['qgroupsize', 'groupsize', 'blocksize', 'gs'],
  '--weights-only': ['weightonly', 'woq'],
  '--ignore': [
    'exclude',
    'excludelayers',
    'skip',
    'skiplayers',
    'skipmodules',
    'ignorelayers',
    'ignoredlayers',
    'modulestonotconvert',
  ],
  '--layers': ['targets', 'target', 'include', 'modules', 'quantizelayers'],
  '--layer': ['layerconfig', 'dynamicconfig', 'override', 'overrides'],
  '--no-default-ignore': [
    'quantlmhead',
    'quantizelmhead',
    'quantizeembeddings',
    'outputtensortype',
  ],
  '--output': [
    'out',
    'outfile',
    'outdir',
    'outputdir',
    'outputfile',
    'savedir',
    'savedirectory',
    'savepath',
    'mlxpath',
    'quantpath',
    'dest',
    'destination',
  ],
  '--model': [
    'i',
    'in',
    'input',
    'inputfile',
    'infile',
    'modelpath',
    'modelname',
    'modelnameorpath',
    'hfpath',
    'pretrained',
    'source',
    'src',
  ],
  '--force': ['f', 'y', 'yes', 'overwrite', 'clobber'],
  '--dtype': ['torchdtype', 'outtype', 'floattype'],
  '--threads': ['j', 'jobs', 'nthreads', 'numthreads', 'workers'],
  '--calibration': ['calib', 'calibdata', 'calibrationdata', 'dataset', 'data', 'imatrix'],
  '--report': ['metafile', 'reportfile'],
  '--dry-run': ['n', 'plan', 'analyze', 'dryrun'],
  '--quiet': ['silent', 's'],
  '--verbose': ['debug', 'loglevel'],
};

/** How a flag of another tool is written here. */
export function knownFlag(name: string): string | undefined {
  const word = name.toLowerCase().replace(/[-_]/g, '');
  return Object.entries(FLAGS).find(([, words]) => words.includes(word))?.[0];
}
