// What became of each test, read from the files that GoogleTest, ctest and Vitest write.
// Why: steps are run by programs of three kinds, and the summary is one.
// Always: a step that failed counts at least one failure, whatever its files say.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/**
 * @typedef {object} Results
 * @property {number} passed
 * @property {number} failed
 * @property {{name: string, seconds: number}[]} files
 */

/**
 * @param {string} root the checkout
 * @param {string} folder of one step
 * @param {boolean} hasPassed
 * @returns {Results}
 */
export function readResults(root, folder, hasPassed) {
  /** @type {Results} */
  const results = { passed: 0, failed: 0, files: [] };
  for (const name of existsSync(folder) ? readdirSync(folder, { recursive: true }) : []) {
    const path = join(folder, String(name));
    if (path.endsWith('.xml')) addCtest(results, readFileSync(path, 'utf8'), folder);
    if (!path.endsWith('.json')) continue;
    const document = readJson(path);
    if (document?.testResults) addVitest(results, document, root);
    else if (document?.testsuites) addGoogleTest(results, document);
  }
  if (!hasPassed) results.failed = Math.max(results.failed, 1);
  // A step that counts nothing is one test.
  if (hasPassed) results.passed = Math.max(results.passed, 1);
  return results;
}

/**
 * Programs of ctest that wrote no results of their own: those that are one test, and those that broke down.
 * @param {Results} results
 * @param {string} xml
 * @param {string} folder
 */
function addCtest(results, xml, folder) {
  for (const [, name, status] of xml.matchAll(/<testcase name="([^"]*)"[^>]* status="(\w+)"/g)) {
    if (existsSync(join(folder, `${name}.json`))) continue;
    results[status === 'run' ? 'passed' : 'failed']++;
  }
}

/**
 * @param {Results} results
 * @param {any} document
 */
function addGoogleTest(results, document) {
  for (const { name, time, testsuite } of document.testsuites) {
    for (const test of testsuite) {
      if (test.result !== 'COMPLETED') continue; // skipped
      results[test.failures ? 'failed' : 'passed']++;
    }
    const suite = results.files.find((file) => file.name === name);
    const seconds = Number.parseFloat(time);
    if (suite) suite.seconds += seconds;
    else results.files.push({ name, seconds });
  }
}

/**
 * @param {Results} results
 * @param {any} document
 * @param {string} root
 */
function addVitest(results, document, root) {
  for (const { name, startTime, endTime, status, assertionResults } of document.testResults) {
    let failed = 0;
    for (const assertion of assertionResults) {
      if (assertion.status === 'passed') results.passed++;
      if (assertion.status === 'failed') failed++;
    }
    // A file that breaks down outside of its tests is a failure, too.
    results.failed += Math.max(failed, status === 'failed' ? 1 : 0);
    results.files.push({ name: relative(root, name), seconds: (endTime - startTime) / 1000 });
  }
}

/** @param {string} path */
function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined; // written by a program that broke down
  }
}
