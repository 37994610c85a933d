/**
 * How to load what was made: lines for this very file.
 * It exists because codes and scales are no use to somebody who does not know who reads them.
 * Only ways that take the layout are shown; docs/loading.md says the same at length.
 */
import type { Catalog, Report } from 'monoquant';
import { outputSuffix } from '../../js/words/model-stem.js';
import type { OpenModel } from './open-model.js';

export interface Usage {
  readonly title: string;
  /** What has to be there first. */
  readonly needs: string;
  readonly code: string;
}

export interface Used {
  readonly report: Report;
  readonly model: Pick<OpenModel, 'name' | 'folder' | 'catalog' | 'config'>;
  readonly file: string;
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
  if (!isPt && isLanguageModel(used.model)) usages.push(...loaders(used, quantized.length > 0));
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
  mlx: ({ model, report }) => ({
    title: 'mlx-lm',
    needs: 'pip install mlx-lm; the folder needs its config.json and tokenizer: "Save as folder".',
    code: `mlx_lm.generate --model ./${stemOf(model.name)}-${suffixOf(report)} --prompt "Hello!"`,
  }),
  comfyui: ({ file }) => ({
    title: 'ComfyUI',
    needs: 'Put the file where the model was: "Load Diffusion Model" finds it by its name.',
    code: `ComfyUI/models/diffusion_models/${file}`,
  }),
};

function onlyTransformers({ model, report }: Used, needed: string): Usage {
  const folder = python(`./${stemOf(model.name)}-${suffixOf(report)}`);
  return {
    title: 'transformers',
    needs: `pip install transformers ${needed}; the folder needs its config.json and tokenizer: "Save as folder".`,
    code: [
      'from transformers import AutoModelForCausalLM',
      '',
      `model = AutoModelForCausalLM.from_pretrained(${folder}, dtype="auto")`,
    ].join('\n'),
  };
}

/** Whether transformers and vLLM know models of this kind: they come with a config.json. */
function isLanguageModel({ config, catalog }: Used['model']): boolean {
  return config !== undefined || looksLikeBlocks(catalog);
}

function looksLikeBlocks({ tensors }: Catalog): boolean {
  return tensors.some(({ name }) => /layers?\.\d+\.(self_attn|attention|mlp)\b/.test(name));
}

function loaders({ model, report }: Used, isQuantized: boolean): readonly Usage[] {
  const folder = python(`./${stemOf(model.name)}-${suffixOf(report)}`);
  const needs = model.folder
    ? '"Save as folder" puts all that they look for side by side.'
    : 'They take folders: put the file beside its config.json as model.safetensors, and beside the tokenizer. If you open the whole folder here, "Save as folder" does that.';
  return [
    {
      title: 'vLLM',
      needs,
      code: `vllm serve ${folder.slice(1, -1)}`,
    },
    {
      title: 'transformers',
      needs: isQuantized ? `pip install transformers compressed-tensors. ${needs}` : needs,
      code: [
        'from transformers import AutoModelForCausalLM, AutoTokenizer',
        '',
        `model = AutoModelForCausalLM.from_pretrained(${folder}, dtype="auto")`,
        `tokenizer = AutoTokenizer.from_pretrained(${folder})`,
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
    ...(isPacked ? ['', ...UNPACK] : []),
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

const UNPACK = [
  'def codes_of(words, bits, count):  # int32 words to codes, along the last dimension',
  '    codes = (words.unsqueeze(-1) >> torch.arange(0, 32, bits)) & (2**bits - 1)',
  '    return codes.flatten(-2)[..., :count] - 2 ** (bits - 1)',
  '',
  'def unpacked(name):',
  '    shape = tensors[name + "_shape"].tolist()',
  '    rows, columns = shape[0], torch.Size(shape[1:]).numel()',
  '    words = tensors[name + "_packed"]',
  '    bits = 4 if words.shape[-1] * 8 < columns + 8 else 8',
  '    scale = tensors[name + "_scale"]',
  '    scale = scale.reshape(scale.shape[0], -1, 1).float()',
  '    codes = codes_of(words, bits, columns).view(rows, scale.shape[1], -1)',
  '    zero = tensors.get(name + "_zero_point", torch.zeros(1))',
  '    if zero.dtype == torch.int32:  # packed along the rows',
  '        zero = codes_of(zero.reshape(zero.shape[0], -1).T, bits, rows).T.unsqueeze(-1)',
  '    return ((codes - zero) * scale).view(shape)',
];

function stemOf(name: string): string {
  return name.replace(/\.\w+$/, '').replace(/[^\w.-]+/g, '-') || 'model';
}

function suffixOf({ configuration }: Report): string {
  return outputSuffix(configuration).slice(1);
}

/** As Python reads it. */
function python(text: string): string {
  return JSON.stringify(text);
}
