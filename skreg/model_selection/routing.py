"""Metadata beside X and y: what reaches the splitter, and what a scorer.

With ``enable_metadata_routing=True`` they get what they have requested. Else groups are for
the splitter, and weights of rows for each scorer that takes them.
"""

from sklearn.utils import metadata_routing
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _raise_for_params,
    _routing_enabled,
    process_routing,
)

from skreg.model_selection.scoring import scorer_of, takes_weights


class SearchRouter:
    """A search with the parameters `cv` and `scoring`; it consumes weights itself."""

    # They are for the splitter alone.
    __metadata_request__fit = {"groups": metadata_routing.UNUSED}

    def get_metadata_routing(self):
        """Return who gets what metadata: the splitter, a scorer and the search itself.

        Returns
        -------
        MetadataRouter
            Requests of `cv`, and of `scoring` if that is a scorer of scikit-learn.
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        in_fit = MethodMapping().add(caller="fit", callee="split")
        router.add(splitter=self.cv, method_mapping=in_fit)
        scorer = scorer_of(self.scoring, self)
        if scorer is not None:
            mapping = MethodMapping().add(caller="fit", callee="score")
            mapping.add(caller="score", callee="score")
            router.add(scorer=scorer, method_mapping=mapping)
        return router

    def _route(self, method, **metadata):
        """Return the metadata of the splitter and those of the scorer."""
        metadata = {name: part for name, part in metadata.items() if part is not None}
        if _routing_enabled():
            routed = process_routing(self, method, **metadata)
            return [
                routed.get(child, {}).get(step, {})
                for child, step in (("splitter", "split"), ("scorer", "score"))
            ]
        known = {"sample_weight", "groups"}
        _raise_for_params(metadata, self, method, allow=known)
        groups = {name: metadata[name] for name in metadata.keys() & {"groups"}}
        scorer, weights = scorer_of(self.scoring, self), {}
        if scorer is not None and takes_weights(scorer):
            weights = {name: metadata[name] for name in metadata.keys() & {"sample_weight"}}
        return groups, weights
