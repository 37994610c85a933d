/**
 * The version of the package.
 * It exists because bundles cannot look into package.json.
 * Always the version of package.json, and of the engine.
 */
export const VERSION = '0.1.0';

export function version(): string {
  return VERSION;
}
