/**
 * What every page of the matrix does: quantizes the file that is chosen, and says what came out.
 */
import { quantize } from 'monoquant';

export async function quantizeChosen(input) {
  try {
    const result = await quantize(input.files[0], { bits: 4 });
    const hash = await crypto.subtle.digest('SHA-256', await result.blob().arrayBuffer());
    const sha256 = Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0'));
    const { engine } = result.report;
    document.body.dataset.result = JSON.stringify({ sha256: sha256.join(''), engine });
    await result.close();
  } catch (error) {
    document.body.dataset.result = JSON.stringify({
      error: String(error),
      suggestion: error.suggestion,
    });
  }
}
