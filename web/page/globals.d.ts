// What some browsers have and TypeScript's DOM library leaves out.
// Why: the page offers it where it is there.
// Always: optional here, so that the compiler asks for a check.

interface SaveFilePickerOptions {
  suggestedName?: string;
}

interface Window {
  /** Chromium only; needs a user gesture. */
  showSaveFilePicker?(options?: SaveFilePickerOptions): Promise<FileSystemFileHandle>;
}
