/**
 * Where models come in: dropped anywhere on the page, picked, made up, or named by a URL.
 * It exists as one view because all ways lead to the same call.
 * Large while there is no model, one line afterwards.
 */
import { useEffect, useId, useState } from 'preact/hooks';
import { droppedFiles, filesOfFolder } from '../model-files.js';
import type { Workbench } from '../workbench.js';
import { FileButton } from './file-button.js';
import { FaultNotice } from './notice.js';
import type { ViewProps } from './view-props.js';

const ACCEPTED = '.safetensors,.pt,.pth,.bin,.ckpt,.pt2,.gguf,.zst,.json';

export function DropZone({ workbench }: ViewProps) {
  const isOver = useDropAnywhere(workbench);
  const name = workbench.opening.value;
  const isOpen = workbench.model.value !== undefined;
  return (
    <section class={`drop ${isOpen ? 'slim' : ''} ${isOver ? 'over' : ''}`} aria-label="Model">
      <p class="invitation">
        {name !== undefined ? `Opening ${name} …` : isOpen ? 'Another model?' : 'Drop a model here'}
      </p>
      {!isOpen && (
        <p class="quiet">
          .safetensors, .pt, .pth, .bin, .ckpt, .pt2, .gguf, or a Hugging Face folder, of any size
        </p>
      )}
      <div class="buttons">
        <FileButton
          class="button primary"
          accept={ACCEPTED}
          multiple
          onFiles={(files) => workbench.openFiles(files)}
        >
          Choose files
        </FileButton>
        <FileButton
          class="button"
          folder
          onFiles={(files) => workbench.openFiles(filesOfFolder(files))}
        >
          Choose a folder
        </FileButton>
        <button type="button" class="button" onClick={() => workbench.openExample()}>
          Try an example
        </button>
      </div>
      <UrlField workbench={workbench} />
      <FaultNotice fault={workbench.openFault.value} title="This could not be opened." />
    </section>
  );
}

/** The network is asked when it is sent off, and for nothing else. */
function UrlField({ workbench }: ViewProps) {
  const id = useId();
  const [url, setUrl] = useState('');
  const open = (event: Event) => {
    event.preventDefault();
    if (url.trim() !== '') void workbench.openUrl(url.trim());
  };
  return (
    <form class="url" onSubmit={open}>
      <label for={id}>or paste a URL</label>
      <input
        id={id}
        type="text"
        inputmode="url"
        autocomplete="off"
        spellcheck={false}
        placeholder="https://huggingface.co/…"
        value={url}
        onInput={({ currentTarget }) => setUrl(currentTarget.value)}
      />
      <button type="submit" class="button">
        Open
      </button>
    </form>
  );
}

/** Whether something is held above the page. */
function useDropAnywhere(workbench: Workbench): boolean {
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    const listening = new AbortController();
    const listen = (type: 'dragover' | 'dragleave' | 'drop', act: (event: DragEvent) => void) => {
      document.addEventListener(type, act, { signal: listening.signal });
    };
    listen('dragover', (event) => {
      event.preventDefault();
      setOver(true);
    });
    listen('dragleave', (event) => {
      if (event.relatedTarget === null) setOver(false);
    });
    listen('drop', (event) => {
      event.preventDefault();
      setOver(false);
      if (event.dataTransfer === null) return;
      void droppedFiles(event.dataTransfer).then((files) => workbench.openFiles(files));
    });
    return () => listening.abort();
  }, [workbench]);
  return isOver;
}
