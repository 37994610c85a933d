/**
 * The tensors of a model by module: `model` has `layers`, which has `0`, which has `mlp`.
 * It exists because names repeat what they share, and people think in modules.
 * Made level by level, when a module is opened: tens of thousands of names are never parted at once.
 */

export interface ModuleNode {
  /** From the root: unique. */
  readonly path: string;
  /** What it adds to the module above; several parts where nothing else is beside them. */
  readonly label: string;
  readonly depth: number;
  /** Indices of all tensors in it. */
  readonly tensors: readonly number[];
}

export interface LeafNode {
  readonly tensor: number;
  readonly label: string;
  readonly depth: number;
}

export type TreeNode = ModuleNode | LeafNode;

export class ModuleTree {
  readonly #names: readonly string[];
  readonly #children = new Map<string, readonly TreeNode[]>();

  constructor(names: readonly string[]) {
    this.#names = names;
  }

  /** The rows that show, with these modules open. */
  rows(open: ReadonlySet<string>): readonly TreeNode[] {
    const rows: TreeNode[] = [];
    const add = (nodes: readonly TreeNode[]) => {
      for (const node of nodes) {
        rows.push(node);
        if ('path' in node && open.has(node.path)) add(this.#childrenOf(node));
      }
    };
    add(this.#top());
    return rows;
  }

  /** Modules to begin with: from the top, as many levels as fit into so many rows. */
  firstOpen(most: number): ReadonlySet<string> {
    const open = new Set<string>();
    let level = this.#top();
    let rows = level.length;
    while (rows < most) {
      const modules = level.filter((node): node is ModuleNode => 'path' in node);
      const next = modules.flatMap((node) => [...this.#childrenOf(node)]);
      if (modules.length === 0 || rows + next.length > most) break;
      for (const { path } of modules) open.add(path);
      rows += next.length;
      level = next;
    }
    return open;
  }

  /** Of every module that there is. */
  allPaths(): ReadonlySet<string> {
    const paths = new Set<string>();
    const add = (nodes: readonly TreeNode[]) => {
      for (const node of nodes) {
        if (!('path' in node)) continue;
        paths.add(node.path);
        add(this.#childrenOf(node));
      }
    };
    add(this.#top());
    return paths;
  }

  #top(): readonly TreeNode[] {
    return this.#childrenOf({
      path: '',
      label: '',
      depth: -1,
      tensors: [...this.#names.keys()],
    });
  }

  #childrenOf(node: ModuleNode): readonly TreeNode[] {
    const kept = this.#children.get(node.path);
    if (kept !== undefined) return kept;
    const made = this.#partedBelow(node);
    this.#children.set(node.path, made);
    return made;
  }

  #partedBelow({ path, depth, tensors }: ModuleNode): readonly TreeNode[] {
    const begin = path.length;
    const groups = new Map<string, number[]>();
    for (const index of tensors) {
      const name = this.#names[index] ?? '';
      const dot = name.indexOf('.', begin);
      const part = dot < 0 ? name.slice(begin) : name.slice(begin, dot + 1);
      const group = groups.get(part);
      if (group === undefined) groups.set(part, [index]);
      else group.push(index);
    }
    const nodes: TreeNode[] = [];
    for (const [part, group] of groups) {
      if (group.length === 1 && group[0] !== undefined) {
        const tensor = group[0];
        nodes.push({ tensor, label: (this.#names[tensor] ?? '').slice(begin), depth: depth + 1 });
      } else if (part.endsWith('.')) nodes.push(this.#moduleOf(path, part, group, depth + 1));
      // Names that occur twice cannot be parted further.
      else for (const tensor of group) nodes.push({ tensor, label: part, depth: depth + 1 });
    }
    return nodes;
  }

  /** With all parts that its tensors share. */
  #moduleOf(above: string, part: string, tensors: readonly number[], depth: number): ModuleNode {
    let path = above + part;
    const first = this.#names[tensors[0] ?? 0] ?? '';
    for (;;) {
      const dot = first.indexOf('.', path.length);
      if (dot < 0) break;
      const longer = first.slice(0, dot + 1);
      if (!tensors.every((index) => this.#names[index]?.startsWith(longer))) break;
      path = longer;
    }
    return { path, label: path.slice(above.length).replace(/\.$/, ''), depth, tensors };
  }
}
