"""Results of evaluations beside the published figures, as text, Markdown and HTML."""

from instructify.results.checked import checked_results
from instructify.results.page import results_page
from instructify.results.read import RESULT, RESULT_FORMAT, read_result, read_results
from instructify.results.table import Table, make_table, row_names
from instructify.results.text import markdown_lines, text_lines

__all__ = [
    "RESULT",
    "RESULT_FORMAT",
    "Table",
    "checked_results",
    "make_table",
    "markdown_lines",
    "read_result",
    "read_results",
    "results_page",
    "row_names",
    "text_lines",
]
