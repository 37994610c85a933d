/**
 * Everything about a model: what is in it, what can be chosen, what came out.
 * It exists as a file of its own that arrives after the page is ready: most of the page's code is here.
 * Shown with a model only.
 */
import '../style/tables.css';
import '../style/model.css';
import '../style/print.css';
import { ActivityCard } from './activity-card.js';
import { CompareCard } from './compare-card.js';
import { DigitsPlace } from './digits-place.js';
import { HelpDialog } from './help-dialog.js';
import { InspectCard } from './inspect-card.js';
import { Inspector } from './inspector.js';
import { Later, turnsFor } from './later.js';
import { ModelCard } from './model-card.js';
import { ModelMap } from './model-map.js';
import { OptionsForm } from './options-form.js';
import { PlanCard } from './plan-card.js';
import { QuestionDialog } from './question-dialog.js';
import { ResultStrip } from './result-strip.js';
import { RunCard } from './run-card.js';
import { RunsTable } from './runs-table.js';
import { SelectionBar } from './selection-bar.js';
import { TalkPlace } from './talk-place.js';
import { TensorTree } from './tensor-tree.js';
import type { ViewProps } from './view-props.js';

export function ModelView({ workbench }: ViewProps) {
  const activity = workbench.activity.value;
  const turn = turnsFor(workbench);
  const isInspecting = workbench.chosenTensor.value !== undefined;
  return (
    <>
      <ResultStrip workbench={workbench} />
      <DigitsPlace workbench={workbench} />
      <div class={`columns ${isInspecting ? 'inspecting' : ''}`}>
        <div class="column">
          <ModelCard workbench={workbench} />
          <ActivityCard workbench={workbench} />
          {activity === 'quantize' && <OptionsForm workbench={workbench} />}
        </div>
        <div class="column main-column">
          <InspectCard workbench={workbench} />
          <CompareCard workbench={workbench} />
          <Later turn={turn(0)}>
            <ModelMap workbench={workbench} />
          </Later>
          <RunCard workbench={workbench} />
          <TalkPlace workbench={workbench} />
          <RunsTable workbench={workbench} />
          {activity === 'quantize' && <PlanCard workbench={workbench} />}
          <Later turn={turn(1)}>
            <TensorTree workbench={workbench} />
          </Later>
        </div>
        <div class="column side-column">
          <Inspector workbench={workbench} />
        </div>
      </div>
      <SelectionBar workbench={workbench} />
      <QuestionDialog workbench={workbench} />
      <HelpDialog workbench={workbench} />
    </>
  );
}
