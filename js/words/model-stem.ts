/**
 * The name of a model without what it ends in.
 * It exists because an output is named after its model, by the command and by the page alike.
 * Names that end in nothing known stay as they are.
 */

const MODEL_EXTENSION = /\.(safetensors\.index\.json|safetensors|pt|pth|pt2|bin|ckpt)$/i;

/** `model` of `model.safetensors`. */
export function modelStem(name: string): string {
  return name.replace(MODEL_EXTENSION, '');
}
