/**
 * A button that lets somebody pick files.
 * It exists because a file input cannot be made to look like the other buttons.
 * The input itself stays out of sight and out of the way of the keyboard.
 */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

interface FileButtonProps {
  readonly children: ComponentChildren;
  readonly class: string;
  readonly accept?: string;
  readonly multiple?: boolean;
  readonly folder?: boolean;
  readonly onFiles: (files: readonly File[]) => void;
}

export function FileButton({
  children,
  accept,
  multiple,
  folder,
  onFiles,
  ...rest
}: FileButtonProps) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (input.current !== null) input.current.webkitdirectory = folder ?? false;
  }, [folder]);
  const picked = () => {
    const files = Array.from(input.current?.files ?? []);
    // The same file can be picked again.
    if (input.current !== null) input.current.value = '';
    onFiles(files);
  };
  return (
    <>
      <button type="button" class={rest.class} onClick={() => input.current?.click()}>
        {children}
      </button>
      <input
        ref={input}
        type="file"
        hidden
        accept={accept ?? ''}
        multiple={multiple ?? false}
        onChange={picked}
      />
    </>
  );
}
