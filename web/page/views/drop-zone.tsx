/**
 * Where models come in: dropped anywhere on the page, picked, made up, or named by a URL.
 * It exists as one view because all ways lead to the same call.
 * Large while there is no model, one line afterwards.
 */
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { printable } from '../../../js/words/printable.js';
import { ACCEPTED, droppedFiles, filesOfFolder } from '../model-files.js';
import type { Workbench } from '../workbench.js';
import { FileButton } from './file-button.js';
import { FaultNotice } from './notice.js';
import type { ViewProps } from './view-props.js';

export function DropZone({ workbench }: ViewProps) {
  const isOver = useDropAnywhere(workbench);
  const isOpen = workbench.model.value !== undefined;
  const name = workbench.waysIn.opening.value;
  return (
    <section class={`drop ${isOpen ? 'slim' : ''}`} aria-label="Model">
      {isOver && (
        <div class="veil" aria-hidden="true">
          <p>Let go to open it here. It stays on this device.</p>
        </div>
      )}
      {isOpen ? (
        <Menu
          title={name === undefined ? 'Open another' : `Opening ${name} …`}
          workbench={workbench}
        />
      ) : (
        <>
          <p class="invitation">{name === undefined ? 'Drop a model here' : `Opening ${name} …`}</p>
          <p class="quiet">
            .safetensors, .pt, .pth, .bin, .ckpt, .pt2, .gguf, or a Hugging Face folder, of any size
          </p>
          <WaysIn workbench={workbench} />
        </>
      )}
      <Pair workbench={workbench} />
      <OpenFault workbench={workbench} />
    </section>
  );
}

/** Closed when something has come of it, or somebody turns to something else. */
function Menu({ title, workbench }: ViewProps & { readonly title: string }) {
  const menu = useRef<HTMLDetailsElement>(null);
  const [model, fault] = [workbench.model.value, workbench.waysIn.fault.value];
  const close = () => {
    if (menu.current !== null) menu.current.open = false;
  };
  useEffect(close, [model, fault, workbench.waysIn.pair.value]);
  useEffect(() => {
    const look = ({ target }: Event) => {
      if (target instanceof Node && menu.current?.contains(target) === false) close();
    };
    document.addEventListener('pointerdown', look);
    return () => document.removeEventListener('pointerdown', look);
  }, []);
  return (
    <details
      class="another"
      ref={menu}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || menu.current?.open !== true) return;
        event.stopPropagation();
        close();
        menu.current.querySelector('summary')?.focus();
      }}
    >
      <summary class="button">{title}</summary>
      <div class="popup">
        <WaysIn workbench={workbench} />
      </div>
    </details>
  );
}

function WaysIn({ workbench }: ViewProps) {
  return (
    <>
      <div class="buttons">
        <FileButton
          class="button primary"
          accept={ACCEPTED}
          multiple
          onFiles={(files) => workbench.waysIn.openFiles(files)}
        >
          Choose files
        </FileButton>
        <FileButton
          class="button"
          folder
          onFiles={(files) => workbench.waysIn.openFiles(filesOfFolder(files))}
        >
          Choose a folder
        </FileButton>
        <button type="button" class="button" onClick={() => workbench.waysIn.openExample()}>
          Try an example
        </button>
        <button type="button" class="button" onClick={() => workbench.waysIn.openDigits()}>
          Draw a digit
        </button>
      </div>
      <UrlField workbench={workbench} />
    </>
  );
}

/** Beside what could not be opened, and in sight wherever the page is scrolled to. */
function OpenFault({ workbench }: ViewProps) {
  const fault = workbench.waysIn.fault.value;
  if (fault === undefined) return null;
  return (
    <div class="open-fault">
      <FaultNotice fault={fault} title="This could not be opened." />
      <button
        type="button"
        class="plain remove"
        aria-label="Close the message"
        onClick={() => {
          workbench.waysIn.fault.value = undefined;
        }}
      >
        <span aria-hidden="true">×</span>
      </button>
    </div>
  );
}

/** Two models that came together: what is meant is for the visitor to say. */
function Pair({ workbench }: ViewProps) {
  const pair = workbench.waysIn.pair.value;
  if (pair === undefined) return null;
  const [first, second] = pair;
  const names = [printable(first.name), printable(second.name)];
  return (
    <div class="notice pair" role="alert">
      <strong>These are two models: {names.join(' and ')}.</strong>
      <div class="buttons">
        <button
          type="button"
          class="button primary"
          onClick={() => workbench.openOfPair(first, second)}
        >
          Compare them
        </button>
        {pair.map((file, index) => (
          <button
            type="button"
            class="button"
            key={file.name}
            onClick={() => workbench.openOfPair(file)}
          >
            Open {names[index]}
          </button>
        ))}
      </div>
    </div>
  );
}

/** The network is asked when it is sent off, and for nothing else. */
function UrlField({ workbench }: ViewProps) {
  const id = useId();
  const url = workbench.waysIn.url.value;
  const open = (event: Event) => {
    event.preventDefault();
    if (url.trim() !== '') void workbench.waysIn.openUrl(url.trim());
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
        onInput={({ currentTarget }) => {
          workbench.waysIn.url.value = currentTarget.value;
        }}
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
      const link =
        event.dataTransfer.getData('text/uri-list') || event.dataTransfer.getData('text');
      if (event.dataTransfer.files.length === 0 && /^https?:/.test(link)) {
        workbench.waysIn.takeLink(link.trim());
        return;
      }
      void droppedFiles(event.dataTransfer).then((files) => workbench.waysIn.openFiles(files));
    });
    return () => listening.abort();
  }, [workbench]);
  return isOver;
}
