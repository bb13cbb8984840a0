"""Results of evaluations beside the published figures, as text, Markdown and HTML."""

from instructify.results.answers import PREDICTIONS, REFERENCES, read_answers
from instructify.results.checked import checked_results
from instructify.results.page import Evaluated, results_page
from instructify.results.pictures import ItemPictures
from instructify.results.read import (
    RESULT,
    RESULT_FORMAT,
    read_result,
    read_results,
    result_folders,
)
from instructify.results.table import Table, make_table, row_names
from instructify.results.text import markdown_lines, text_lines

__all__ = [
    "Evaluated",
    "ItemPictures",
    "PREDICTIONS",
    "REFERENCES",
    "RESULT",
    "RESULT_FORMAT",
    "Table",
    "checked_results",
    "make_table",
    "markdown_lines",
    "read_answers",
    "read_result",
    "read_results",
    "result_folders",
    "results_page",
    "row_names",
    "text_lines",
]
