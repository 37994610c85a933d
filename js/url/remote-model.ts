/**
 * The files of a model behind a URL: which they are follows from what the server has, by the rules for folders.
 * All are open at once, before any work; none of them is copied to this machine.
 */
import { MonoquantError } from '../api/errors.js';
import { MODEL_CONFIG, MOST_CONFIG_BYTES } from '../api/model-config.js';
import {
  chooseModel,
  filesOfIndex,
  indexBeside,
  isShardName,
  listed,
  MOST_INDEX_BYTES,
  type ModelIndex,
  numberedWith,
  readIndex,
  shardsWith,
  type WeightMap,
} from '../api/model-files.js';
import { type Address, fileIn, folderAround, spoken } from './address.js';
import type { Client } from './client.js';
import { openIfThere, openRemote, type Remote } from './remote.js';
import { RemoteInput } from './remote-input.js';
import { BESIDE_NAMES, codeNames, SIDE_NAMES, WEIGHT_NAMES } from './side-names.js';

export interface RemoteModel {
  readonly parts: readonly RemoteInput[];
  readonly index?: RemoteInput;
  readonly weightMap?: WeightMap;
  readonly indexMetadata?: ModelIndex['metadata'];
  /** Why it is not the whole model. */
  readonly fault?: MonoquantError;
  /** If the model is a folder. */
  readonly folder?: RemoteFolder;
}

export interface RemoteFolder {
  /** Names in it that change what the weights mean. */
  readonly names: readonly string[];
  readonly config?: {
    readonly input: RemoteInput;
    /** Throws if it is too large. */
    readonly content: () => Uint8Array<ArrayBuffer>;
  };
  /** Brings all that stands beside the weights, piece by piece. */
  readonly bring: (write: (name: string, content: Uint8Array) => void) => Promise<void>;
}

/** What libraries call the weights of a folder: such a file stands for its folder, if there is a configuration. */
const WEIGHTS_OF_FOLDER =
  /^(model|pytorch_model|diffusion_pytorch_model)\.(safetensors|bin)(\.zst)?$/;

/** Questions under way. */
const AT_ONCE = 6;

/** Tokenizers have some 30 MB. */
const MOST_SIDE_BYTES = 256 << 20;

export function openRemoteModel(
  address: Address,
  client: Client,
  signal: AbortSignal | undefined,
): Promise<RemoteModel> {
  return new Opening(address, client, signal).model();
}

class Opening {
  readonly #address: Address;
  readonly #folder: URL;
  /** How messages name it. */
  readonly #where: string;
  readonly #client: Client;
  readonly #signal: AbortSignal | undefined;

  constructor(address: Address, client: Client, signal: AbortSignal | undefined) {
    this.#address = address;
    this.#folder = folderAround(address);
    this.#where = `"${spoken(this.#folder)}"`;
    this.#client = client;
    this.#signal = signal;
  }

  async model(): Promise<RemoteModel> {
    const { kind, name } = this.#address;
    if (kind === 'folder') return this.#ofFolder();
    if (kind === 'index')
      return { ...(await this.#ofIndex(await this.#named())), ...(await this.#beside()) };
    if (isShardName(name)) return { ...(await this.#ofShards()), ...(await this.#besideFile()) };
    const part = await this.#named();
    return { parts: [part], ...(WEIGHTS_OF_FOLDER.test(name) ? await this.#besideFile() : {}) };
  }

  async #ofFolder(): Promise<RemoteModel> {
    const found = await this.#those(WEIGHT_NAMES);
    if (found.size === 0) throw await this.#noModel();
    const choice = chooseModel([...found.keys()], this.#where);
    const input = (name: string) => found.get(name) as RemoteInput; // chosen among them
    const beside = await this.#beside();
    return choice.index === undefined
      ? { parts: choice.files.map(input), ...beside }
      : { ...(await this.#ofIndex(input(choice.index))), ...beside };
  }

  async #noModel(): Promise<MonoquantError> {
    const [, usual = ''] = WEIGHT_NAMES;
    // What is forbidden is told as such.
    const failure = await this.#open(usual).catch((error: unknown) => error);
    const isMissing = failure instanceof MonoquantError && failure.code === 'file-not-found';
    if (failure instanceof MonoquantError && !isMissing) return failure;
    const asked = listed(WEIGHT_NAMES.slice(0, 3));
    return new MonoquantError(
      'file-not-found',
      `Expected a model in ${this.#where}, found none of ${asked}.`,
      {
        suggestion:
          'A folder behind a URL cannot be listed: give the URL of the file, or of its index.',
      },
    );
  }

  async #ofIndex(index: RemoteInput): Promise<RemoteModel> {
    const { path, size } = index.file;
    if (size > MOST_INDEX_BYTES) throw tooLarge('an index', MOST_INDEX_BYTES, index);
    const { weightMap, metadata } = readIndex(await index.content(this.#signal), path);
    const names = [...new Set(weightMap.values())];
    // First for their number: nobody is asked for a million files.
    filesOfIndex(weightMap, index.name, names, this.#where);
    const found = await this.#those(names);
    const files = filesOfIndex(weightMap, index.name, [...found.keys()], this.#where);
    const parts = files.map((name) => found.get(name) as RemoteInput); // all of them are there
    return { index, weightMap, indexMetadata: metadata, parts };
  }

  /** One of numbered files stands for all of them. */
  async #ofShards(): Promise<RemoteModel> {
    const { name } = this.#address;
    const named = await this.#named(); // what is not there is told as such
    const [index] = (await this.#those([indexBeside(name)])).values();
    if (index !== undefined) return this.#ofIndex(index);
    const others = await this.#those(numberedWith(name).filter((other) => other !== name));
    const found = new Map([...others, [name, named]]);
    const { files, fault } = shardsWith(name, [...found.keys()], this.#where);
    const parts = files.map((file) => found.get(file) as RemoteInput); // chosen among them
    return { parts, ...(fault && { fault }) };
  }

  /** The folder, if the file stands for it. */
  async #besideFile(): Promise<Pick<RemoteModel, 'folder'>> {
    const there = await this.#those([MODEL_CONFIG]);
    return there.size === 0 ? {} : this.#beside();
  }

  async #beside(): Promise<Required<Pick<RemoteModel, 'folder'>>> {
    const found = await this.#those(BESIDE_NAMES);
    const input = found.get(MODEL_CONFIG);
    const config = input && { input, content: await this.#contentOf(input) };
    return {
      folder: {
        names: [...found.keys()],
        ...(config && { config }),
        bring: (write) => {
          const code = config === undefined ? [] : codeNames(config.content());
          // The signal was for the opening, which may be long ago.
          const later = new Opening(this.#address, this.#client, undefined);
          return later.#bring([...SIDE_NAMES, ...code], write);
        },
      },
    };
  }

  async #bring(
    names: readonly string[],
    write: (name: string, content: Uint8Array) => void,
  ): Promise<void> {
    for (const [name, side] of await this.#those(names)) {
      if (side.file.size > MOST_SIDE_BYTES) {
        throw tooLarge('a file beside a model', MOST_SIDE_BYTES, side);
      }
      write(name, await side.content(this.#signal));
    }
  }

  async #contentOf(config: RemoteInput): Promise<() => Uint8Array<ArrayBuffer>> {
    if (config.file.size > MOST_CONFIG_BYTES) {
      return () => {
        throw tooLarge('a configuration', MOST_CONFIG_BYTES, config);
      };
    }
    const content = await config.content(this.#signal);
    return () => content;
  }

  /** What was named. */
  async #named(): Promise<RemoteInput> {
    const { url, name } = this.#address;
    return new RemoteInput(name, await openRemote(url, this.#client, this.#signal), this.#client);
  }

  async #open(name: string): Promise<Remote> {
    return openRemote(fileIn(this.#folder, name), this.#client, this.#signal);
  }

  /** Those that are there, sorted by name. */
  async #those(names: readonly string[]): Promise<Map<string, RemoteInput>> {
    const left = [...names].sort();
    const found = new Map<string, RemoteInput>();
    const ask = async () => {
      for (let name = left.shift(); name !== undefined; name = left.shift()) {
        const url = fileIn(this.#folder, name);
        const file = await openIfThere(url, this.#client, this.#signal);
        if (file !== undefined) found.set(name, new RemoteInput(name, file, this.#client));
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, ask));
    } finally {
      left.length = 0; // after a failure nobody needs the rest
    }
    return new Map([...found].sort(([one], [other]) => (one < other ? -1 : 1)));
  }
}

function tooLarge(what: string, most: number, { file }: RemoteInput): MonoquantError {
  const message = `Expected ${what} of at most ${most} bytes, found ${file.size} in "${file.path}".`;
  return new MonoquantError('limit-exceeded', message);
}
