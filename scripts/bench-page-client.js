// The page that is measured: copies the chosen file, or quantizes it with the package.
// Why: what runs in the browser is a file of its own, so that it can be read and checked like any other.
// Always: a job leaves nothing in the origin's private files; its time ends when the output could be saved.

const chosen = () => document.querySelector('input').files[0];

/** @returns {Promise<{seconds: number, bytes: number}>} */
window.copyFile = async (way, share) => {
  const worker = new Worker('./bench-page-copy.js');
  const begin = performance.now();
  try {
    const { bytes, error } = await new Promise((resolve, reject) => {
      worker.addEventListener('message', ({ data }) => resolve(data));
      worker.addEventListener('error', ({ message }) => reject(new Error(message)));
      worker.postMessage({ file: chosen(), way, share });
    });
    const seconds = (performance.now() - begin) / 1000;
    if (error !== undefined) throw new Error(error);
    return { seconds, bytes };
  } finally {
    worker.terminate();
    await removeCopy();
  }
};

/** @returns {Promise<{seconds: number, bytes: number, engine: object, timings: object}>} */
window.quantizeFile = async (folder, options) => {
  const { quantize } = await import(`${folder}/browser/index.js`);
  const begin = performance.now();
  const result = await quantize(chosen(), options);
  const seconds = (performance.now() - begin) / 1000;
  const { engine, sizes, timings } = result.report;
  await result.close();
  return { seconds, bytes: sizes.outputBytes, engine, timings };
};

/** A worker that was ended may hold its file for a moment. */
async function removeCopy() {
  const folder = await navigator.storage.getDirectory();
  for (let tries = 0; tries < 50; tries++) {
    try {
      return await folder.removeEntry('copy');
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
