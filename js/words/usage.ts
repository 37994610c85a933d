/**
 * How to load what was made: lines for this very file.
 * It exists because codes and scales are no use to somebody who does not know who reads them; the page and the reports
 * show them. Only ways that take the layout are there; docs/loading.md says the same at length.
 */
import type { Report } from '../api/types.js';

export interface Usage {
  readonly title: string;
  /** What has to be there first. */
  readonly needs: string;
  readonly code: string;
}

/** For loaders that take folders. */
export interface UsedFolder {
  readonly path: string;
  /** How all that they look for comes to be in it. */
  readonly needs: string;
}

export interface Used {
  readonly report: Report;
  readonly file: string;
  readonly folder: UsedFolder;
  /** Whether the model came with a config.json. */
  readonly hasConfig: boolean;
}

export function usagesOf(used: Used): readonly Usage[] {
  const { report, file } = used;
  const { container, format } = report.configuration;
  if (container === 'gguf') return ggufUsages(file);
  const own = OF_FORMAT[format];
  if (own !== undefined) return [own(used)];
  const isPt = container === 'pt';
  const quantized = report.tensors.filter(({ decision }) => decision === 'quantize');
  const usages: Usage[] = [];
  if (!isPt && isLanguageModel(used)) usages.push(...loaders(used, quantized.length > 0));
  // One file of several is no model.
  if (report.files.length > 1) return usages;
  usages.push(quantized.length === 0 ? plainPyTorch(file, isPt) : codesInPyTorch(used, isPt));
  return usages;
}

function ggufUsages(file: string): readonly Usage[] {
  return [
    {
      title: 'Ollama',
      needs: 'The file has all that is needed.',
      code: [
        `echo "FROM ./${file}" > Modelfile`,
        'ollama create my-model -f Modelfile',
        'ollama run my-model',
      ].join('\n'),
    },
    {
      title: 'node-llama-cpp',
      needs: 'npm install node-llama-cpp',
      code: [
        "import { getLlama, LlamaChatSession } from 'node-llama-cpp';",
        '',
        `const model = await (await getLlama()).loadModel({ modelPath: ${JSON.stringify(file)} });`,
        'const context = await model.createContext();',
        'const session = new LlamaChatSession({ contextSequence: context.getSequence() });',
        "console.log(await session.prompt('Hello!'));",
      ].join('\n'),
    },
    { title: 'llama.cpp', needs: '', code: `llama-cli -m ${file}` },
  ];
}

/** Layouts that one program has, or whose loaders find by themselves what they are. */
const OF_FORMAT: Partial<Record<Report['configuration']['format'], (used: Used) => Usage>> = {
  gptq: (used) => onlyTransformers(used, 'gptqmodel'),
  awq: (used) => onlyTransformers(used, 'autoawq'),
  bitsandbytes: (used) => onlyTransformers(used, 'bitsandbytes'),
  mlx: ({ folder }) => ({
    title: 'mlx-lm',
    needs: `pip install mlx-lm. ${folder.needs}`,
    code: `mlx_lm.generate --model ${folder.path} --prompt "Hello!"`,
  }),
  comfyui: ({ file }) => ({
    title: 'ComfyUI',
    needs: 'Put the file where the model was: "Load Diffusion Model" finds it by its name.',
    code: `ComfyUI/models/diffusion_models/${file}`,
  }),
};

function onlyTransformers({ folder }: Used, needed: string): Usage {
  return {
    title: 'transformers',
    needs: `pip install transformers ${needed}. ${folder.needs}`,
    code: [
      'from transformers import AutoModelForCausalLM',
      '',
      `model = AutoModelForCausalLM.from_pretrained(${python(folder.path)}, dtype="auto")`,
    ].join('\n'),
  };
}

/** Whether transformers and vLLM know models of this kind: they come with a config.json. */
function isLanguageModel({ hasConfig, report }: Used): boolean {
  return hasConfig || [...report.tensors, ...report.copied].some(({ name }) => BLOCKS.test(name));
}

const BLOCKS = /layers?\.\d+\.(self_attn|attention|mlp)\b/;

function loaders({ folder }: Used, isQuantized: boolean): readonly Usage[] {
  const { path, needs } = folder;
  return [
    { title: 'vLLM', needs, code: `vllm serve ${path}` },
    {
      title: 'transformers',
      needs: isQuantized ? `pip install transformers compressed-tensors. ${needs}` : needs,
      code: [
        'from transformers import AutoModelForCausalLM, AutoTokenizer',
        '',
        `model = AutoModelForCausalLM.from_pretrained(${python(path)}, dtype="auto")`,
        `tokenizer = AutoTokenizer.from_pretrained(${python(path)})`,
      ].join('\n'),
    },
  ];
}

function plainPyTorch(file: string, isPt: boolean): Usage {
  const lines = isPt
    ? ['import torch', '', `state = torch.load(${python(file)}, weights_only=True, mmap=True)`]
    : ['from safetensors.torch import load_file', '', `state = load_file(${python(file)})`];
  return {
    title: 'PyTorch',
    needs: isPt ? 'pip install torch' : 'pip install torch safetensors',
    code: [...lines, 'model.load_state_dict(state)'].join('\n'),
  };
}

/** Restores floats: PyTorch itself computes with no codes of this layout. */
function codesInPyTorch({ report, file }: Used, isPt: boolean): Usage {
  const quantized = report.tensors.filter(({ decision }) => decision === 'quantize');
  const isPacked = quantized.some(({ outputs }) => outputs[0]?.dtype === 'I32');
  const isPlain = quantized.some(({ outputs }) => outputs[0]?.dtype === 'I8');
  const hasStacks = quantized.some(({ shape }) => shape.length === 3);
  const load = isPt
    ? `tensors = torch.load(${python(file)}, weights_only=True, mmap=True)`
    : `tensors = load_file(${python(file)})`;
  const lines = [
    'import torch',
    ...(isPt ? [] : ['from safetensors.torch import load_file']),
    '',
    load,
    'state = {}',
    ...(isPacked ? ['', ...unpacking(report)] : []),
    '',
    'for name, value in tensors.items():',
    '    if name.endswith(("_scale", "_zero_point", "_shape")):',
    '        continue',
    ...(isPacked
      ? [
          '    if name.endswith("_packed"):',
          '        base = name.removesuffix("_packed")',
          '        state[base] = unpacked(base)',
          '        continue',
        ]
      : []),
    ...(isPlain
      ? [
          '    scale = tensors.get(name + "_scale")',
          '    if scale is not None and value.dtype == torch.int8:',
          '        zero = tensors.get(name + "_zero_point", 0)',
          '        value = (value.float() - zero) * scale.float()',
        ]
      : []),
    '    state[name] = value',
    '',
    'model.load_state_dict(state)',
  ];
  return {
    title: 'PyTorch',
    needs: `pip install torch${isPt ? '' : ' safetensors'}. The codes become floats again${hasStacks && isPacked ? '; stacked experts one by one, as docs/loading.md shows' : ''}.`,
    code: lines.join('\n'),
  };
}

/** Codes lie one behind the other, the first in the lowest bits; words may hold parts of them. */
function unpacking({ tensors }: Report): readonly string[] {
  const packed = tensors.flatMap(({ name, quantization, outputs }) =>
    quantization !== undefined && outputs[0]?.dtype === 'I32' ? [[name, quantization.bits]] : [],
  );
  const [first, ...others] = new Set(packed.map(([, bits]) => bits));
  const isOne = others.length === 0;
  const entries = () => packed.map(([name, bits]) => `    ${python(String(name))}: ${bits},`);
  return [
    ...(isOne ? [] : ['BITS = {', ...entries(), '}', '']),
    'def codes_of(words, bits, count):  # int32 words to codes, along the last dimension',
    '    units = words.contiguous().view(torch.uint8).unsqueeze(-1)',
    '    stream = ((units >> torch.arange(8)) & 1).flatten(-2)[..., : count * bits]',
    '    codes = stream.unflatten(-1, (count, bits)).int() << torch.arange(bits)',
    '    return codes.sum(-1) - 2 ** (bits - 1)',
    '',
    'def unpacked(name):',
    '    shape = tensors[name + "_shape"].tolist()',
    '    rows, columns = shape[0], torch.Size(shape[1:]).numel()',
    `    bits = ${isOne ? first : 'BITS[name]'}`,
    '    scale = tensors[name + "_scale"]',
    '    scale = scale.reshape(scale.shape[0], -1, 1).float()',
    '    codes = codes_of(tensors[name + "_packed"], bits, columns)',
    '    codes = codes.view(rows, scale.shape[1], -1)',
    '    zero = tensors.get(name + "_zero_point", torch.zeros(1))',
    '    if zero.dtype == torch.int32:  # packed along the rows',
    '        zero = codes_of(zero.reshape(zero.shape[0], -1).T, bits, rows).T.unsqueeze(-1)',
    '    return ((codes - zero) * scale).view(shape)',
  ];
}

/** As Python reads it. */
function python(text: string): string {
  return JSON.stringify(text);
}
