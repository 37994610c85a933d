const { createHash } = require('node:crypto');
const { readFileSync } = require('node:fs');
const { quantize } = require('monoquant');

const output = 'quantized.safetensors';
quantize('model.safetensors', { bits: 4, output, force: true }).then(({ report }) => {
  const sha256 = createHash('sha256').update(readFileSync(output)).digest('hex');
  console.log(JSON.stringify({ sha256, engine: report.engine }));
});
