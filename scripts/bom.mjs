// The bill of materials of what is published, as CycloneDX: dist/bom.cdx.json.
// Why: whoever uses the package can look up what is compiled and bundled in, without taking it apart.
// Always: npm says what npm packages are, the build what it has put in; nothing is listed by hand.
//
// node scripts/bom.mjs [--release]      --release: fails if something compiled in is not as third_party/pinned.json has it

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readComponents } from './components.mjs';
import { BuildError, isMain, run, runMain } from './run.mjs';

const ROOT = join(import.meta.dirname, '..');

/**
 * @typedef {import('./components.mjs').Component} Component
 * @typedef {Record<string, {version: string, sha256?: string}>} Pins
 */

if (isMain(import.meta)) await runMain(main);

async function main() {
  const { values } = parseArgs({ options: { release: { type: 'boolean' } } });
  const compiled = readComponents(join(ROOT, 'dist'), 'wasm');
  const inBundles = readComponents(join(ROOT, 'dist'), 'ts', 'site');
  const bundled = inBundles.filter(({ purl }) => purl.startsWith('pkg:npm/'));
  // What came compiled within one of them is pinned with it.
  const within = inBundles.filter((each) => !bundled.includes(each));
  /** @type {Pins} */
  const pins = JSON.parse(readFileSync(join(ROOT, 'third_party/pinned.json'), 'utf8'));
  const strays = compiled.map((each) => straying(each, pins)).filter((each) => each !== undefined);
  if (values.release && strays.length > 0) throw new BuildError(strays.join('\n'));
  const bom = await billOfMaterials([...compiled, ...within], bundled);
  writeFileSync(join(ROOT, 'dist/bom.cdx.json'), `${JSON.stringify(bom, undefined, 2)}\n`);
}

/**
 * What is wrong with something compiled in; undefined if it is what releases are made of.
 * @param {Component} component
 * @param {Pins} pins
 */
export function straying({ name, version, sha256 }, pins) {
  const pin = pins[name];
  if (pin === undefined)
    return `${name} ${version} is compiled in, and third_party/pinned.json has no line for it.`;
  if (pin.version !== version)
    return `${name} ${version} is compiled in; releases have ${pin.version}.`;
  if (pin.sha256 !== sha256)
    return `${name} ${version} is compiled in with other content than in releases: ${sha256}.`;
  return undefined;
}

/**
 * @param {Component[]} compiled
 * @param {Component[]} bundled
 */
async function billOfMaterials(compiled, bundled) {
  const words = ['sbom', '--sbom-format=cyclonedx', '--package-lock-only'];
  const bom = JSON.parse(await run(['npm', ...words], { cwd: ROOT }));
  const isIn = new Set(bundled.map(({ purl }) => purl));
  const packages = bom.components.filter((/** @type {{purl: string}} */ { purl }) =>
    isIn.has(purl),
  );
  if (packages.length !== bundled.length) {
    throw new BuildError(
      'npm does not know all packages that were bundled: run npm install first.',
    );
  }
  // What is bundled is no longer needed for development only.
  for (const each of packages) {
    each.scope = 'required';
    delete each.properties;
  }
  const libraries = compiled.map(({ name, version, license, url, purl, sha256 }) => ({
    'bom-ref': purl,
    type: 'library',
    name,
    version,
    scope: 'required',
    purl,
    licenses: [license.includes(' ') ? { expression: license } : { license: { id: license } }],
    externalReferences: [{ type: 'website', url }],
    ...(sha256 === undefined ? {} : { hashes: [{ alg: 'SHA-256', content: sha256 }] }),
  }));
  const components = [...libraries, ...packages];
  // npm takes the folder's name.
  bom.metadata.component.name = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).name;
  const root = bom.metadata.component['bom-ref'];
  const refs = components.map((each) => each['bom-ref']);
  const { timestamp: _, ...metadata } = bom.metadata;
  // Without a number and a time of its own, the same release has the same bill.
  const { serialNumber: __, ...rest } = bom;
  const dependencies = [
    { ref: root, dependsOn: refs },
    ...refs.map((ref) => ({ ref, dependsOn: [] })),
  ];
  return { ...rest, metadata, components, dependencies };
}
