/**
 * The place of the model's view, which arrives after the page is ready.
 * It exists so that a page is there sooner for everybody who comes to drop a model.
 * Where the view does not arrive, the place says so; the model stays open, and another attempt follows with the next.
 */
import { useEffect, useState } from 'preact/hooks';
import { type Fault, faultOf } from '../fault.js';
import type { ModelView } from './model-view.js';
import { FaultNotice } from './notice.js';
import type { ViewProps } from './view-props.js';

/** Asked for when the page is ready, so that nothing is loaded later. */
export async function loadModelView(): Promise<typeof ModelView> {
  return (await import('./model-view.js')).ModelView;
}

export function ModelPlace({ workbench }: ViewProps) {
  const [view, setView] = useState<{ readonly View: typeof ModelView }>();
  const [fault, setFault] = useState<Fault>();
  const model = workbench.model.value;
  useEffect(() => {
    if (model === undefined || view !== undefined) return;
    setFault(undefined);
    loadModelView().then(
      (View) => setView({ View }),
      (error: unknown) => setFault(faultOf(error)),
    );
  }, [model, view]);
  if (model === undefined) return null;
  if (view === undefined) {
    return <FaultNotice fault={fault} title="A part of this page did not arrive. Load it again." />;
  }
  return <view.View workbench={workbench} />;
}
