"""Results of evaluations beside the published figures, as text, Markdown and HTML."""
