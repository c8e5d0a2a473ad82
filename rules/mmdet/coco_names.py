"""COCO's annotations, by the official names and by those of mmpycocotools."""
from pycocotools.coco import COCO as _COCO


class _Named(_COCO):

    def get_ann_ids(self, img_ids=[], cat_ids=[], area_rng=[], iscrowd=None):
        return self.getAnnIds(img_ids, cat_ids, area_rng, iscrowd)

    def get_cat_ids(self, cat_names=[], sup_names=[], cat_ids=[]):
        return self.getCatIds(cat_names, sup_names, cat_ids)

    def get_img_ids(self, img_ids=[], cat_ids=[]):
        return self.getImgIds(img_ids, cat_ids)

    def load_anns(self, ids=[]):
        return self.loadAnns(ids)

    def load_cats(self, ids=[]):
        return self.loadCats(ids)

    def load_imgs(self, ids=[]):
        return self.loadImgs(ids)

    @property
    def img_ann_map(self):
        return self.imgToAnns

    @property
    def cat_img_map(self):
        return self.catToImgs


COCO = _COCO if hasattr(_COCO, 'get_ann_ids') else _Named
