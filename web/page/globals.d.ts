// What some browsers have and TypeScript's DOM library leaves out; what the build fills in.
// Why: the page offers it where it is there.
// Always: optional here, so that the compiler asks for a check.

interface SaveFilePickerOptions {
  suggestedName?: string;
}

interface Window {
  /** Chromium only; needs a user gesture. */
  showSaveFilePicker?(options?: SaveFilePickerOptions): Promise<FileSystemFileHandle>;
  /** The same. */
  showDirectoryPicker?(options?: {
    mode?: 'read' | 'readwrite';
  }): Promise<FileSystemDirectoryHandle>;
  /** Files that the page was opened with, where it is installed. */
  readonly launchQueue?: {
    setConsumer(
      consume: (launched: { readonly files?: readonly FileSystemFileHandle[] }) => void,
    ): void;
  };
}

/** To the source, the documents and the package, where the build knows them. */
declare const __LINKS__: readonly { readonly title: string; readonly url: string }[];
/** The cache in which the site is kept. */
declare const __SITE_CACHE__: string;
/** An entry of that cache which stands for the visitor's wish for isolation; no such file is served. */
declare const __ISOLATE_MARK__: string;
