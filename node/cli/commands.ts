/**
 * The table of commands: names, words for the help, flags, and where the work is done.
 * It exists so that a new command is one entry here and one file beside it.
 * Help is made from this table and so always complete.
 */
import { OF_TENSORS } from '../../js/api/option-table/what.js';
import { type Command, command } from './command.js';
import {
  BENCHMARK_FLAGS,
  CALIBRATE_FLAGS,
  COMPARE_FLAGS,
  COMPLETION_FLAGS,
  CONVERT_FLAGS,
  DEQUANTIZE_FLAGS,
  HELP_FLAGS,
  INFO_FLAGS,
  MERGE_FLAGS,
  QUANTIZE_FLAGS,
  RUNS_FLAGS,
  SEARCH_FLAGS,
  SENSITIVITY_FLAGS,
  VALIDATE_FLAGS,
} from './flags.js';

/** What `--layer` may choose. */
const OF_ONE_LAYER = Object.values(OF_TENSORS)
  .map(({ override }) => override)
  .join(', ');

export const COMMANDS: readonly Command[] = [
  command({
    name: 'quantize',
    operand: 'MODEL',
    summary: 'write a smaller copy of a model',
    sections: QUANTIZE_FLAGS,
    notes: [
      'PATTERN is the name of a tensor or module, with * for anything, or re: and a',
      `regex. CHOICES are ${OF_ONE_LAYER}, each with a value: bits:none.`,
      'Flags beside --config win. Rare ones, such as --prune, are in `man monoquant`.',
    ],
    examples: [
      'monoquant quantize models/llama --bits 4 -o models/llama-int4/',
      "monoquant quantize model.safetensors --layer 'encoder=bits:4' --dry-run",
    ],
    load: async () => (await import('./quantize.js')).runQuantize,
  }),
  command({
    name: 'calibrate',
    operand: 'MODEL DATA...',
    summary: 'observe captured inputs of layers',
    sections: CALIBRATE_FLAGS,
    notes: [
      'DATA are .safetensors, .npz or PyTorch files of tensors named by module, batches',
      'module#0, module#1, …; or statistics of such inputs (imatrix.gguf, too);',
      'or a calibration to go on from, before others.',
    ],
    examples: [
      'monoquant calibrate model.safetensors inputs.pt -o calibration.json',
      'monoquant quantize model.safetensors -c calibration.json',
    ],
    load: async () => (await import('./calibrate.js')).runCalibrate,
  }),
  command({
    name: 'convert',
    operand: 'MODEL OUTPUT',
    summary: 'copy all tensors, bit for bit',
    sections: CONVERT_FLAGS,
    examples: [
      'monoquant convert pytorch_model.bin model.safetensors',
      "monoquant convert checkpoint.ckpt model.pt --key ''",
    ],
    load: async () => (await import('./convert.js')).runConvert,
  }),
  command({
    name: 'dequantize',
    operand: 'MODEL OUTPUT',
    summary: 'write codes as floats again',
    sections: DEQUANTIZE_FLAGS,
    examples: ['monoquant dequantize small.safetensors model.safetensors --dtype f16'],
    load: async () => (await import('./dequantize.js')).runDequantize,
  }),
  command({
    name: 'merge',
    operand: 'PART...',
    summary: 'put the parts of an output together',
    sections: MERGE_FLAGS,
    examples: [
      'monoquant quantize models/llama --part 1/2 -o llama.safetensors',
      'monoquant quantize models/llama --part 2/2 -o llama.safetensors',
      'monoquant merge llama.safetensors.part-*-of-2 -o llama.safetensors',
    ],
    load: async () => (await import('./merge.js')).runMerge,
  }),
  command({
    name: 'validate',
    operand: 'MODEL',
    summary: 'check a quantized file',
    sections: VALIDATE_FLAGS,
    examples: [
      'monoquant validate small.safetensors',
      'monoquant validate small.safetensors --reference model.safetensors',
    ],
    load: async () => (await import('./validate.js')).runValidate,
  }),
  command({
    name: 'compare',
    operand: 'MODEL OTHER',
    summary: 'show how two files differ',
    sections: COMPARE_FLAGS,
    examples: ['monoquant compare model.safetensors small.safetensors'],
    load: async () => (await import('./compare.js')).runCompare,
  }),
  command({
    name: 'benchmark',
    operand: 'MODEL CONFIG...',
    summary: 'compare ways to quantize a model',
    sections: BENCHMARK_FLAGS,
    notes: [
      'CONFIG is a JSON file of options, or a report, or a name such as W4A16, or',
      `choices, ${OF_ONE_LAYER}, each with a value: bits:4,group:64.`,
      'The others are held against the first, tensor by tensor. Nothing is written.',
    ],
    examples: [
      'monoquant benchmark model.safetensors bits:4,method:rtn bits:4,method:mse',
      'monoquant benchmark model.safetensors W4A16 W8A16 --report benchmark.html',
    ],
    load: async () => (await import('./benchmark.js')).runBenchmark,
  }),
  command({
    name: 'sensitivity',
    operand: 'MODEL',
    summary: 'show what fewer bits would cost',
    sections: SENSITIVITY_FLAGS,
    notes: [
      'Squared errors by squared weights, of each tensor with 2 to 16 bits; with -c of',
      'what layers compute. Nothing is written. Bits are chosen by it: `--budget`.',
    ],
    examples: [
      'monoquant sensitivity model.safetensors',
      'monoquant sensitivity model.safetensors -c inputs.pt --report bits.html',
    ],
    load: async () => (await import('./sensitivity.js')).runSensitivity,
  }),
  command({
    name: 'search',
    operand: 'MODEL',
    summary: 'find the best bits for every size',
    sections: SEARCH_FLAGS,
    notes: [
      'Measures each tensor under several settings, searches choices of which none is',
      'better than another, and encodes those that it shows. `quantize` makes one of',
      'them, with `--config front.json#7`. For one size, its `--budget` is enough.',
    ],
    examples: [
      'monoquant search model.safetensors -o front.json -o front.html',
      'monoquant search models/llama --objectives error,worst,bytes --seed 1',
    ],
    load: async () => (await import('./search.js')).runSearch,
  }),
  command({
    name: 'info',
    operand: 'MODEL',
    summary: 'show what is in a model',
    sections: INFO_FLAGS,
    examples: ['monoquant info models/llama', 'monoquant info checkpoint.pt --strict'],
    load: async () => (await import('./info.js')).runInfo,
  }),
  command({
    name: 'runs',
    operand: 'ACTION [RUN...]',
    summary: 'list, compare and repeat logged runs',
    sections: RUNS_FLAGS,
    notes: [
      'list                 the runs of a log, which --log has kept (default action)',
      'show RUN             all that is known of a run',
      'compare RUN [RUN...] options that differ, and how far they are from the first',
      'pin RUN              measures all others by this one from now on; none: no more',
      'repeat RUN           runs it again: the same bytes, or the tensor that differs',
      'export [RUN...]      --format csv, json, tensorboard (-o DIR) or dvc (-o DIR)',
      '',
      'RUN is an id, its beginning or end, or last.',
    ],
    examples: ['monoquant runs list', 'monoquant runs compare 3kf9q last'],
    load: async () => (await import('./runs.js')).runRuns,
  }),
  command({
    name: 'completion',
    operand: 'SHELL',
    summary: 'complete flags in bash, zsh or fish',
    sections: COMPLETION_FLAGS,
    examples: [
      'monoquant completion bash >> ~/.bashrc',
      'monoquant completion zsh > "$fpath[1]/_monoquant"',
      'monoquant completion fish > ~/.config/fish/completions/monoquant.fish',
    ],
    load: async () => {
      const { runCompletion } = await import('./completion.js');
      return (given, session) => runCompletion(given, session, COMMANDS);
    },
  }),
  command({
    name: 'help',
    operand: '[COMMAND]',
    summary: 'show how a command is used',
    sections: HELP_FLAGS,
    examples: ['monoquant help quantize', 'monoquant help --man | man -l -'],
    load: async () => {
      const { runHelp } = await import('./help.js');
      return (given, session) => runHelp(given, session, COMMANDS);
    },
  }),
];
