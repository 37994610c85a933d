/**
 * Blobs, Files and streams as the host of a program types them, or nothing: a program for Node may be compiled without
 * such types, one for browsers with those of the DOM.
 */
type Host = typeof globalThis;
export type AnyBlob = Host extends { Blob: { prototype: infer Type } } ? Type : never;
export type AnyFile = Host extends { File: { prototype: infer Type } } ? Type : never;
/** Of bytes. */
export type AnyStream = AnyBlob extends { stream(): infer Type } ? Type : never;
