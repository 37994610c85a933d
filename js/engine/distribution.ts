/**
 * The engine's pass that counts the values of one tensor of two files.
 * Both files were inspected with quantized tensors joined: codes are values.
 */
import { type Json, parseJson } from '../api/json.js';
import type { Distribution } from '../api/types.js';
import { unknownTensor } from '../api/unknown-tensor.js';
import type { BlockShape, ByteSource } from '../io/byte-source.js';
import { type Engine, withHandle } from './engine.js';
import { type OnStageProgress, runStage } from './pipeline.js';
import type { WasmInspector } from './wasm.js';

export interface InspectedFile {
  readonly source: ByteSource;
  readonly inspector: WasmInspector;
}

/** Of the file's tensor, beside the model that it was made from. */
export async function countDistribution(
  engine: Engine,
  blocks: BlockShape,
  file: InspectedFile,
  reference: InspectedFile,
  tensor: string,
  onProgress?: OnStageProgress,
): Promise<Json<Distribution>> {
  checkName(reference, tensor, 'the model');
  checkName(file, tensor, 'the quantized file');
  const made = engine.distributionStage(file.inspector, reference.inspector, tensor, blocks);
  const sources = [file.source, reference.source];
  return withHandle(made, (stage) => runStage(stage, { sources, slots: 1, onProgress }));
}

function checkName({ inspector }: InspectedFile, tensor: string, file: string): void {
  const { tensors } = parseJson(inspector.catalog());
  const names = tensors.map(({ name }) => name);
  if (!names.includes(tensor)) throw unknownTensor(tensor, names, file);
}
