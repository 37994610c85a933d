"""What the models read: a text to measure on, texts to calibrate with, sentences to embed."""

TEXT = (
    "The river had risen during the night, and in the morning the old bridge stood in brown water up to "
    "its arches. Two farmers came down with a cart, looked at it for a while, and turned back. A boy who "
    "had been sent for bread asked them whether the road to the mill was still open. They told him that "
    "it was not, that he should go round by the church, and that he should take care of the dog, which "
    "liked to swim more than was good for it. When he reached the village the baker had already closed "
    "his shop, because there was no flour, and because he wanted to see the flood like everybody else."
)
CALIBRATION = [
    "Water boils at a lower temperature on a mountain because the pressure of the air is lower there.",
    "def mean(values):\n    return sum(values) / len(values)\n",
    "Dear Anna, thank you for your letter. We arrived safely on Tuesday and the house is lovely.",
    "In 1869 the chemist arranged the elements by weight and left gaps for those still unknown.",
    "Question: What is 12 times 11? Answer: 132. Question: What is 15 plus 26? Answer: 41.",
    "The committee will meet on the first Monday of each month, unless that day is a public holiday.",
    "She opened the window and heard, far away, the whistle of the last train.",
    "To make the dough, mix flour, salt and yeast, add warm water, and knead it for ten minutes.",
]
SENTENCES = [
    "A man is playing a guitar on the street.",
    "Somebody plays music outdoors.",
    "The stock market fell sharply on Friday.",
    "Shares lost much of their value at the end of the week.",
    "How do I bake bread without yeast?",
    "The cat sleeps on the warm windowsill.",
]
