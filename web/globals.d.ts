// What browsers have and TypeScript's DOM library leaves out: interfaces of workers.
// Why: one project holds page and worker code, and the worker library cannot be loaded beside the DOM.
// Always: what is not in every browser is optional here, so that the compiler asks for a check.

interface FileSystemReadWriteOptions {
  at?: number;
}

/** A file of the origin's private file system, opened in a worker. `write` may return a short count. */
interface FileSystemSyncAccessHandle {
  read(buffer: ArrayBufferView | ArrayBuffer, options?: FileSystemReadWriteOptions): number;
  write(buffer: ArrayBufferView | ArrayBuffer, options?: FileSystemReadWriteOptions): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}

interface FileSystemFileHandle {
  /** Workers only. */
  createSyncAccessHandle?(): Promise<FileSystemSyncAccessHandle>;
}
