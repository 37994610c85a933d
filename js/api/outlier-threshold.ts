/**
 * From which magnitude on the inputs of a layer count as outliers where LLM.int8() multiplies: a configuration says it,
 * and the program that loads the model obeys.
 * Source: BitsAndBytesConfig of transformers 5.23, which refuses a threshold that is no float.
 */

/** What loaders take if nobody says it. */
export const USUAL_THRESHOLD = 6;

/** The configuration beside an output, with the threshold in it. */
export function withThreshold<Said extends Readonly<Record<string, unknown>> | null>(
  quantization: Said,
  outliers: number | null,
): Said | (Said & { readonly llm_int8_threshold: number }) {
  if (quantization === null || outliers === null || outliers === USUAL_THRESHOLD)
    return quantization;
  return { ...quantization, llm_int8_threshold: asFloat(outliers) };
}

/** JSON writes a whole number as "4", which Python takes for no float. The next larger one rounds to it in f32 and f16. */
function asFloat(threshold: number): number {
  return Number.isInteger(threshold) ? threshold * (1 + Number.EPSILON) : threshold;
}
